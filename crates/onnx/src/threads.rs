//! How many threads a graph may use: a worker books CPUs for a session, and a runtime left to
//! itself takes all that the machine has.

/// Threads at most, whatever anybody says.
const MOST: usize = 1024;

/// What was asked for; else the CPUs that the worker or the user named in the environment, a part
/// of one rounded up; else all that this process may use.
pub(crate) fn count(asked: Option<usize>, variable: impl Fn(&str) -> Option<String>) -> usize {
    let named = |name: &str| variable(name)?.trim().parse::<f64>().ok().filter(|cpus| *cpus > 0.0);
    asked
        .or_else(|| {
            Some(named("GRISTMILL_CPUS").or_else(|| named("OMP_NUM_THREADS"))?.ceil() as usize)
        })
        .or_else(|| Some(std::thread::available_parallelism().ok()?.get()))
        .unwrap_or(1)
        .clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_nearest_word_counts() {
        let of = |asked, variables: &[(&str, &str)]| {
            count(asked, |name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(Some(3), &[("GRISTMILL_CPUS", "2")]), 3);
        assert_eq!(of(None, &[("GRISTMILL_CPUS", "2"), ("OMP_NUM_THREADS", "7")]), 2);
        assert_eq!(of(None, &[("GRISTMILL_CPUS", "0.5")]), 1);
        assert_eq!(of(None, &[("GRISTMILL_CPUS", "2.5")]), 3);
        assert_eq!(of(None, &[("GRISTMILL_CPUS", "many"), ("OMP_NUM_THREADS", "7")]), 7);
        assert_eq!(of(Some(0), &[]), 1);
        assert_eq!(of(None, &[("GRISTMILL_CPUS", "1e30")]), 1024);
        assert!(of(None, &[("GRISTMILL_CPUS", "NaN")]) >= 1);
    }
}
