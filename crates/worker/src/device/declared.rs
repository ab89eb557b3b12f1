//! Devices that somebody declares: other kinds than GPUs, and GPUs that only tests have. They need
//! no driver; that they are there is believed.

use serde::Serialize;

use gristmill_model::limits;

/// A device that is there because it was said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// Kind of device, as `tpu`.
    pub kind: String,
    /// Its name; it is locked by it on this machine.
    pub id: String,
    /// Video memory in bytes; 0 where the word means nothing.
    pub vram: u64,
    /// How many processes it takes at once; 0 is any number.
    pub slots: u32,
}

/// Why a declaration is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` declares no device: {why}; expected like tpu:2 or gpu=GPU-1,vram=16GiB,slots=4")]
pub struct BadDeclaration {
    text: String,
    why: String,
}

/// Reads `KIND:COUNT` or `KIND=ID`, then perhaps `,vram=SIZE` and `,slots=N`. Those that are
/// counted are called `KIND-0`, `KIND-1` and so on. How a size is written is for `size` to say.
///
/// # Errors
/// What cannot be read, and what would do.
pub fn parse(
    text: &str,
    size: impl Fn(&str) -> Result<u64, String>,
) -> Result<Vec<Declared>, BadDeclaration> {
    read(text, size).map_err(|why| BadDeclaration { text: text.to_owned(), why })
}

/// Judges several declarations together.
///
/// # Errors
/// The name that two of them have, or that there are too many.
pub fn check(all: &[Declared]) -> Result<(), String> {
    let most = limits::WORKER_DEVICES;
    if all.len() > most {
        return Err(format!("{} devices are declared: at most {most}", all.len()));
    }
    for (index, one) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.id == one.id) {
            let (kind, id) = (&one.kind, &one.id);
            return Err(format!(
                "{id} is declared twice: say {kind}:2 for two, or give them names"
            ));
        }
    }
    Ok(())
}

fn read(text: &str, size: impl Fn(&str) -> Result<u64, String>) -> Result<Vec<Declared>, String> {
    let mut parts = text.split(',');
    let head = parts.next().unwrap_or_default();
    let (kind, ids) = head_of(head)?;
    let (mut vram, mut slots) = (None, None);
    for part in parts {
        let (key, value) = part.split_once('=').ok_or(format!("`{part}` is no KEY=VALUE"))?;
        match key {
            "vram" if vram.is_none() => vram = Some(size(value).map_err(|why| told(part, &why))?),
            "slots" if slots.is_none() => slots = Some(count(value, u32::MAX as usize)?),
            "vram" | "slots" => return Err(format!("{key} is given twice")),
            _ => return Err(format!("`{key}` is unknown, there are vram and slots")),
        }
    }
    let slots = u32::try_from(slots.unwrap_or(0)).unwrap_or(u32::MAX);
    let vram = vram.unwrap_or(0);
    Ok(ids.into_iter().map(|id| Declared { kind: kind.into(), id, vram, slots }).collect())
}

/// The kind, and the names of those that there are.
fn head_of(head: &str) -> Result<(&str, Vec<String>), String> {
    let mark = head.find([':', '=']).ok_or("it lacks a count or a name")?;
    let (kind, rest) = (&head[..mark], &head[mark + 1..]);
    name(kind, "kind")?;
    if head[mark..].starts_with('=') {
        name(rest, "name")?;
        return Ok((kind, vec![rest.to_owned()]));
    }
    let many = count(rest, limits::WORKER_DEVICES)?;
    Ok((kind, (0..many).map(|index| format!("{kind}-{index}")).collect()))
}

fn name(text: &str, what: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // Room for the number that counted ones get.
    let short = text.len() + 4 <= limits::NAME_BYTES;
    if text.is_empty() || !short || !text.chars().all(plain) {
        return Err(format!("`{text}` is no {what} (letters, digits, `.`, `_` and `-`)"));
    }
    Ok(())
}

fn count(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` is no number of 1 or more")),
        Ok(many) if many > most => Err(format!("{many} are too many, at most {most}")),
        Ok(many) => Ok(many),
    }
}

fn told(part: &str, why: &str) -> String {
    format!("`{part}`: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Declared>, String> {
        let gib = |text: &str| match text.strip_suffix("GiB").map(str::parse::<u64>) {
            Some(Ok(gib)) => Ok(gib << 30),
            _ => Err("expected a size".into()),
        };
        parse(text, gib).map_err(|bad| bad.to_string())
    }

    fn one(kind: &str, id: &str, vram: u64, slots: u32) -> Declared {
        Declared { kind: kind.into(), id: id.into(), vram, slots }
    }

    #[test]
    fn devices_are_counted_or_named() {
        assert_eq!(parsed("tpu:1").unwrap(), [one("tpu", "tpu-0", 0, 0)]);
        assert_eq!(
            parsed("fpga:2,slots=1").unwrap(),
            [one("fpga", "fpga-0", 0, 1), one("fpga", "fpga-1", 0, 1)]
        );
        assert_eq!(
            parsed("gpu=GPU-fake-1,vram=16GiB,slots=4").unwrap(),
            [one("gpu", "GPU-fake-1", 16 << 30, 4)]
        );
    }

    #[test]
    fn what_declares_nothing_is_told_why() {
        let expected = [
            ("", "lacks a count or a name"),
            ("tpu", "lacks a count or a name"),
            (":1", "`` is no kind"),
            ("tpu:0", "`0` is no number of 1 or more"),
            ("tpu:257", "257 are too many, at most 256"),
            ("gpu=", "`` is no name"),
            ("gpu=a b", "`a b` is no name"),
            ("tpu:1,vram", "`vram` is no KEY=VALUE"),
            ("tpu:1,vram=much", "`vram=much`: expected a size"),
            ("tpu:1,slots=x", "`x` is no number"),
            ("tpu:1,slots=1,slots=2", "slots is given twice"),
            ("tpu:1,colour=red", "`colour` is unknown"),
        ];
        for (text, why) in expected {
            let told = parsed(text).unwrap_err();
            assert!(told.contains(why) && told.contains("expected like tpu:2"), "{text}: {told}");
        }
    }

    #[test]
    fn two_of_one_name_are_one_too_many() {
        let both = [parsed("tpu:1").unwrap(), parsed("tpu:1").unwrap()].concat();
        assert!(check(&both).unwrap_err().contains("tpu-0 is declared twice: say tpu:2"));
        assert_eq!(check(&both[..1]), Ok(()));
        let many = [parsed("a:256").unwrap(), parsed("b:1").unwrap()].concat();
        assert!(check(&many).unwrap_err().contains("at most 256"));
    }
}
