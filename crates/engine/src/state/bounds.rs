//! Limits and flows: how much of a scope may be leased at once and how often, and what is paused
//! or drained.

use std::collections::BTreeMap;

use gristmill_model::scope::{Flow, Limit, Rate, Scope};
use gristmill_model::{ProjectId, Span, Time};

use super::board::{Bar, Place, Side};
use super::{Class, State};

/// A limit with what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The limit.
    pub limit: Limit,
    /// Attempts that are leased under it.
    pub in_use: u32,
    /// When the rate would be kept exactly if attempts came evenly (the theoretical arrival time
    /// of the generic cell rate algorithm, ITU-T I.371).
    next: Time,
}

/// Why a class may not begin anything now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Barred {
    Paused,
    /// What comes after it takes nothing in.
    NextDrains,
    Busy {
        in_use: u32,
        most: u32,
    },
    TooSoon {
        rate: Rate,
        until: Time,
    },
}

impl Barred {
    /// When it lifts by itself, if it does.
    pub(crate) fn until(&self) -> Option<Time> {
        match self {
            Barred::TooSoon { until, .. } => Some(*until),
            _ => None,
        }
    }
}

impl Bound {
    /// From when on the rate lets another one begin.
    fn open_from(&self, rate: Rate) -> Time {
        let spare = Span(rate.per.0.saturating_sub(rate.interval().0));
        self.next - spare
    }

    pub(super) fn next(&self) -> Time {
        self.next
    }

    pub(super) fn set_next(&mut self, next: Time) {
        self.next = next;
    }

    fn begin(&mut self, at: Time) {
        self.in_use += 1;
        if let Some(rate) = self.limit.rate {
            self.next = self.next.max(at) + rate.interval();
        }
    }
}

impl State {
    /// Limits that are set, with what is used of them.
    pub fn bounds(&self) -> impl Iterator<Item = (ProjectId, &Scope, &Bound)> {
        self.bounds.iter().map(|((project, scope), bound)| (*project, scope, bound))
    }

    /// Scopes that are paused or draining.
    pub fn flows(&self) -> impl Iterator<Item = (ProjectId, &Scope, Flow)> {
        self.flows.iter().map(|((project, scope), flow)| (*project, scope, *flow))
    }

    pub(crate) fn flow(&self, project: ProjectId, scope: &Scope) -> Flow {
        if self.flows.is_empty() {
            return Flow::Open;
        }
        self.flows.get(&(project, scope.clone())).copied().unwrap_or_default()
    }

    /// The scopes that a class falls under, the widest first.
    pub(crate) fn scopes(&self, class: &Class) -> Vec<Scope> {
        let pipeline = &self.pipelines[&class.pipeline];
        let name = &pipeline.spec.name;
        let stage = &pipeline.stage(class.stage).name;
        let mut scopes = vec![
            Scope::Project,
            Scope::Pipeline(name.clone()),
            Scope::Stage(name.clone(), stage.clone()),
        ];
        scopes.extend(class.limit_key.as_deref().map(|key| Scope::Key(key.to_owned())));
        scopes
    }

    /// The scope that keeps a class from beginning anything now, and why.
    pub(crate) fn barred(&self, class: &Class, now: Time) -> Option<(Bar, Barred)> {
        if self.bounds.is_empty() && self.flows.is_empty() {
            return None;
        }
        for scope in self.scopes(class) {
            let place = (class.project, scope);
            if let Some(why) = self.shuts(&place, now) {
                return Some(((place, Side::Within), why));
            }
        }
        self.next_drains(class)
    }

    /// All scopes that keep a class from beginning anything now, and why, the widest first.
    pub(crate) fn bars_of(&self, class: &Class, now: Time) -> Vec<(Place, Barred)> {
        let within = self.scopes(class).into_iter().filter_map(|scope| {
            let place = (class.project, scope);
            let why = self.shuts(&place, now)?;
            Some((place, why))
        });
        within.chain(self.next_drains(class).map(|((place, _), why)| (place, why))).collect()
    }

    /// How many of a class may be leased at a time, where a limit says so.
    pub(crate) fn most_at_once(&self, class: &Class) -> Option<u32> {
        let scopes = self.scopes(class).into_iter();
        let bounds = scopes.filter_map(|scope| self.bounds.get(&(class.project, scope)));
        bounds.filter_map(|bound| bound.limit.concurrency).min()
    }

    /// A stage that drains takes nothing in from the stage before it.
    fn next_drains(&self, class: &Class) -> Option<(Bar, Barred)> {
        let pipeline = &self.pipelines[&class.pipeline];
        if pipeline.is_last(class.stage) {
            return None;
        }
        let next = pipeline.stage(class.stage + 1).name.clone();
        let place = (class.project, Scope::Stage(pipeline.spec.name.clone(), next));
        let bar = (place, Side::Before);
        self.bars(&bar, Time(0)).map(|why| (bar, why))
    }

    /// Why a bar lets nobody through, if it still stands.
    pub(crate) fn bars(&self, (place, side): &Bar, now: Time) -> Option<Barred> {
        match side {
            Side::Within => self.shuts(place, now),
            Side::Before => {
                let drains = self.flows.get(place) == Some(&Flow::Draining);
                drains.then_some(Barred::NextDrains)
            }
        }
    }

    /// Why nothing of a scope may begin.
    fn shuts(&self, place: &Place, now: Time) -> Option<Barred> {
        if self.flows.get(place) == Some(&Flow::Paused) {
            return Some(Barred::Paused);
        }
        self.bounds.get(place).and_then(|bound| bound.full(now))
    }

    pub(super) fn set_limit(&mut self, project: ProjectId, scope: &Scope, limit: &Limit) {
        let place = (project, scope.clone());
        if limit.is_none() {
            self.bounds.remove(&place);
        } else {
            let in_use = self.leased_under(project, scope);
            // What the old rate owes is owed no longer than the new one would have it.
            let owed = self.bounds.get(&place).map_or(Time(0), |bound| bound.next);
            let most = self.at.now + limit.rate.map_or(Span::ZERO, |rate| rate.per);
            let next = owed.min(most);
            self.bounds.insert(place.clone(), Bound { limit: limit.clone(), in_use, next });
        }
        self.queue.board_mut().thaw((place, Side::Within));
    }

    pub(super) fn set_flow(&mut self, project: ProjectId, scope: &Scope, flow: Flow) {
        let place = (project, scope.clone());
        match flow {
            Flow::Open => self.flows.remove(&place),
            _ => self.flows.insert(place.clone(), flow),
        };
        self.queue.board_mut().thaw((place.clone(), Side::Within));
        self.queue.board_mut().thaw((place, Side::Before));
    }

    pub(crate) fn leased_under(&self, project: ProjectId, scope: &Scope) -> u32 {
        let under = self.attempts.values().filter(|attempt| {
            let class = self.class(self.job(attempt.job).expect("a live attempt has its job"));
            class.project == project && self.scopes(&class).contains(scope)
        });
        u32::try_from(under.count()).unwrap_or(u32::MAX)
    }

    /// An attempt of a class was leased.
    pub(super) fn bounds_begin(&mut self, class: &Class, at: Time) {
        self.each_bound(class, |bound| bound.begin(at));
    }

    /// An attempt of a class ended.
    pub(super) fn bounds_end(&mut self, class: &Class) {
        self.each_bound(class, |bound| bound.in_use -= 1);
        if !self.bounds.is_empty() {
            for scope in self.scopes(class) {
                self.queue.board_mut().thaw(((class.project, scope), Side::Within));
            }
        }
    }

    fn each_bound(&mut self, class: &Class, mut act: impl FnMut(&mut Bound)) {
        if self.bounds.is_empty() {
            return;
        }
        for scope in self.scopes(class) {
            if let Some(bound) = self.bounds.get_mut(&(class.project, scope)) {
                act(bound);
            }
        }
    }
}

impl Bound {
    fn full(&self, now: Time) -> Option<Barred> {
        if let Some(most) = self.limit.concurrency.filter(|most| self.in_use >= *most) {
            return Some(Barred::Busy { in_use: self.in_use, most });
        }
        let rate = self.limit.rate?;
        let until = self.open_from(rate);
        (now < until).then_some(Barred::TooSoon { rate, until })
    }
}

/// Limits by scope.
pub(super) type Bounds = BTreeMap<Place, Bound>;
