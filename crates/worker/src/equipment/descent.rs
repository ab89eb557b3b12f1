//! Who descends from whom among this machine's processes.

use std::fs;

/// Generations that are looked back at most: a loop of numbers that are given anew must end.
const GENERATIONS: usize = 64;

/// Whether a process is another one, or descends from it.
pub(super) fn is_of(mut pid: u32, ancestor: u32) -> bool {
    for _ in 0..GENERATIONS {
        if pid == ancestor {
            return true;
        }
        match parent(pid) {
            Some(up) if up > 1 => pid = up,
            _ => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is plain.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_descends_from_its_parent_and_not_the_other_way_round() {
        let (own, mut child) =
            (std::process::id(), std::process::Command::new("sleep").arg("60").spawn().unwrap());
        assert!(is_of(child.id(), own) && is_of(own, own));
        assert!(!is_of(own, child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
