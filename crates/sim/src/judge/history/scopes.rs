//! Scopes: limits, pauses and drains, counted anew from the leases each time.

use gristmill_model::scope::{Flow, Limit, Rate, Scope};
use gristmill_model::{AttemptId, PipelineId, ProjectId, Span, Time};

use super::jobs::Class;
use super::{History, Verdict, require};

const FULL: &str = "no scope is over its concurrency";
const FAST: &str = "no rate is exceeded over any window";
const PAUSED: &str = "nothing begins while its scope is paused, or what follows drains";

/// A limit, and when attempts began under it since its rate was set.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) limit: Limit,
    begun: Vec<Time>,
    /// When all that has begun would have, had it come evenly. A new rate takes it over, as far as
    /// the new rate itself could owe.
    owed: Time,
}

impl History {
    pub(super) fn set_limit(&mut self, project: ProjectId, scope: &Scope, limit: &Limit) {
        self.ever_set.insert(format!("{project} {scope} {limit:?}"));
        let place = (project, scope.clone());
        if limit.is_none() {
            self.bounds.remove(&place);
            return;
        }
        let old = self.bounds.remove(&place);
        let most = self.at + limit.rate.map_or(Span::ZERO, |rate| rate.per);
        let owed = old.as_ref().map_or(Time(0), |old| old.owed.min(most));
        let old = old.filter(|old| old.limit.rate == limit.rate);
        let begun = old.map_or_else(Vec::new, |old| old.begun);
        self.bounds.insert(place, Bound { limit: limit.clone(), begun, owed });
    }

    pub(super) fn set_flow(&mut self, project: ProjectId, scope: &Scope, flow: Flow) {
        self.ever_set.insert(format!("{project} {scope} {flow}"));
        let place = (project, scope.clone());
        match flow {
            Flow::Open => self.flows.remove(&place),
            _ => self.flows.insert(place, flow),
        };
    }

    pub(super) fn flow(&self, project: ProjectId, scope: &Scope) -> Flow {
        self.flows.get(&(project, scope.clone())).copied().unwrap_or_default()
    }

    pub(super) fn scopes_of(
        &self,
        _: ProjectId,
        pipeline: PipelineId,
        stage: u16,
        key: Option<&str>,
    ) -> Vec<Scope> {
        let spec = &self.pipelines[&pipeline].1;
        let name = spec.stages[usize::from(stage)].name.clone();
        let mut scopes = vec![
            Scope::Project,
            Scope::Pipeline(spec.name.clone()),
            Scope::Stage(spec.name.clone(), name),
        ];
        scopes.extend(key.map(|key| Scope::Key(key.to_owned())));
        scopes
    }

    fn scopes_of_class(&self, class: &Class) -> Vec<Scope> {
        self.scopes_of(class.0, class.1, class.2, class.4.as_deref())
    }

    /// Live attempts under a scope.
    pub(super) fn in_use(&self, project: ProjectId, scope: &Scope) -> u32 {
        let under = |id: &&AttemptId| {
            let class = self.class(self.attempts[id].job);
            class.0 == project && self.scopes_of_class(&class).contains(scope)
        };
        u32::try_from(self.live.iter().filter(under).count()).unwrap_or(u32::MAX)
    }

    /// Whether a scope after this stage takes nothing in.
    fn next_drains(&self, class: &Class) -> bool {
        let spec = &self.pipelines[&class.1].1;
        spec.stages.get(usize::from(class.2) + 1).is_some_and(|next| {
            let scope = Scope::Stage(spec.name.clone(), next.name.clone());
            self.flow(class.0, &scope) == Flow::Draining
        })
    }

    /// What keeps jobs of a class from beginning.
    pub(super) fn barred(&self, class: &Class, now: Time) -> Option<(&'static str, String)> {
        if self.next_drains(class) {
            return Some((PAUSED, "the next stage drains".into()));
        }
        for scope in self.scopes_of_class(class) {
            if self.flow(class.0, &scope) == Flow::Paused {
                return Some((PAUSED, format!("{scope} is paused")));
            }
            let Some(bound) = self.bounds.get(&(class.0, scope.clone())) else { continue };
            let in_use = self.in_use(class.0, &scope);
            if bound.limit.concurrency.is_some_and(|most| in_use >= most) {
                return Some((FULL, format!("{scope} runs {in_use} of {:?}", bound.limit)));
            }
            if bound.limit.rate.is_some_and(|rate| bound.owes(rate, now)) {
                return Some((FAST, format!("{scope} begins at most {:?}", bound.limit)));
            }
        }
        None
    }

    /// An attempt of a class begins: no scope may forbid that.
    pub(super) fn begin_under(&mut self, class: &Class) -> Verdict {
        if let Some((promise, why)) = self.barred(class, self.at) {
            require(false, promise, || why)?;
        }
        for scope in self.scopes_of_class(class) {
            let now = self.at;
            let Some(bound) = self.bounds.get_mut(&(class.0, scope.clone())) else { continue };
            if let Some(rate) = bound.limit.rate {
                let fast = bound.is_fast(rate, now);
                require(!fast, FAST, || format!("{scope} begins at most {rate}"))?;
                bound.owed = bound.owed.max(now) + rate.interval();
            }
            bound.begun.push(now);
        }
        Ok(())
    }
}

impl Bound {
    /// Whether what has begun leaves no room for one more now.
    fn owes(&self, rate: Rate, now: Time) -> bool {
        now + Span(rate.per.0.saturating_sub(rate.interval().0)) < self.owed
    }

    /// Whether one more now would be too many in some window that ends now.
    fn is_fast(&self, rate: Rate, now: Time) -> bool {
        let windows = self.begun.iter().rev().zip(2u64..);
        let mut windows = windows.map(|(from, count)| (now.since(*from), count));
        windows.any(|(window, count)| count > u64::from(rate.count) + window.0 / rate.interval().0)
    }
}
