//! The board: which class of jobs is next, by what it needs, by project and by place.
//!
//! Nothing here is a fact: it is an index for placement that follows from the queue and could be
//! made anew at any time. Classes that a limit or a pause bars are set aside under the bar that
//! stopped them, and come back when that bar may have lifted, so a round costs what it places and
//! not what waits.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::scope::Scope;
use gristmill_model::{JobId, ProjectId, Time};

use super::lane::Rank;
use super::queue::Class;

/// What a class asks of a worker: stages that ask for the same share a number, and whether the
/// worker must see the submitter's disk.
pub(crate) type Need = (u32, bool);

/// A project's scope.
pub(super) type Place = (ProjectId, Scope);

/// A scope that bars a class. What it lets through differs by side, so each side is a bar of its
/// own: a stage that drains lets its own jobs begin and bars those of the stage before it.
pub(crate) type Bar = (Place, Side);

/// Where a barred class stands to the scope that bars it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// It falls under the scope.
    Within,
    /// The scope is the stage that comes after it.
    Before,
}

/// The first job of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) rank: Rank,
    pub(crate) job: JobId,
}

#[derive(Debug, Clone)]
enum Listing {
    Next(Need, Head),
    Barred(Bar, Need, Head),
}

/// Classes with the same need: by project, and within a project by place.
#[derive(Debug, Clone, Default)]
struct Lists {
    /// What each project has used when it was last looked at; it may have used more since.
    projects: BTreeSet<(u128, ProjectId)>,
    used: BTreeMap<ProjectId, u128>,
    heads: BTreeMap<ProjectId, BTreeSet<(Head, Class)>>,
}

/// Which class is next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    needs: BTreeMap<Need, Lists>,
    listed: BTreeMap<Class, Listing>,
    barred: BTreeMap<Bar, BTreeSet<(Head, Class)>>,
    /// Bars that lift by themselves.
    lifts: BTreeSet<(Time, Bar)>,
    /// Bars that may have lifted: what they hold is looked at again.
    thawing: BTreeSet<Bar>,
}

impl Board {
    /// Notes the first job of a class, or that it has none.
    pub(super) fn list(&mut self, class: &Class, need: Need, head: Option<Head>) {
        match (self.listed.get_mut(class), head) {
            (None, None) => {}
            (None, Some(head)) => {
                self.listed.insert(class.clone(), Listing::Next(need, head));
                self.enter(class.clone(), need, head);
            }
            (Some(Listing::Next(_, old) | Listing::Barred(_, _, old)), Some(new))
                if *old == new => {}
            (Some(Listing::Next(_, old)), Some(new)) => {
                let old = std::mem::replace(old, new);
                let heads = self.needs.get_mut(&need).and_then(|l| l.heads.get_mut(&class.project));
                let heads = heads.expect("a listed class is on its list");
                heads.remove(&(old, class.clone()));
                heads.insert((new, class.clone()));
            }
            (Some(Listing::Barred(bar, _, old)), Some(new)) => {
                let old = std::mem::replace(old, new);
                let set = self.barred.get_mut(bar).expect("a barred class is under its bar");
                set.remove(&(old, class.clone()));
                set.insert((new, class.clone()));
            }
            (Some(_), None) => self.strike(class),
        }
    }

    fn enter(&mut self, class: Class, need: Need, head: Head) {
        let lists = self.needs.entry(need).or_default();
        let project = class.project;
        lists.heads.entry(project).or_default().insert((head, class));
        // Nothing used as far as is known here: looked up when its turn may have come.
        lists.used.entry(project).or_insert_with(|| {
            lists.projects.insert((0, project));
            0
        });
    }

    fn strike(&mut self, class: &Class) {
        match self.listed.remove(class).expect("struck off what is listed") {
            Listing::Next(need, head) => self.leave(class, need, head),
            Listing::Barred(bar, _, head) => self.unbar(&bar, &(head, class.clone())),
        }
    }

    fn leave(&mut self, class: &Class, need: Need, head: Head) {
        let lists = self.needs.get_mut(&need).expect("a listed need");
        let heads = lists.heads.get_mut(&class.project).expect("a listed project");
        heads.remove(&(head, class.clone()));
        if heads.is_empty() {
            lists.heads.remove(&class.project);
            let used = lists.used.remove(&class.project).expect("a listed project");
            lists.projects.remove(&(used, class.project));
        }
        if lists.heads.is_empty() {
            self.needs.remove(&need);
        }
    }

    fn unbar(&mut self, bar: &Bar, entry: &(Head, Class)) {
        let set = self.barred.get_mut(bar).expect("a barred class is under its bar");
        set.remove(entry);
        if set.is_empty() {
            self.barred.remove(bar);
        }
    }

    /// Needs of classes that may be placed.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Need> + '_ {
        self.needs.keys().copied()
    }

    /// Classes of this need that may be placed: those of a project in order, then the others'.
    pub(crate) fn line(&self, need: Need, project: ProjectId) -> impl Iterator<Item = &Class> {
        let lists = self.needs.get(&need).map(|lists| &lists.heads);
        let own = lists.and_then(|heads| heads.get(&project));
        let others = lists.into_iter().flatten().filter(move |(of, _)| **of != project);
        own.into_iter().chain(others.map(|(_, heads)| heads)).flatten().map(|(_, class)| class)
    }

    /// The class of this need that is next: of the project that has used least, the class whose
    /// first job has the smallest rank. `used` says what a project has used by now; it never
    /// shrinks, so an old figure on the list is a lower bound and is mended when it comes up.
    pub(crate) fn next(
        &mut self,
        need: Need,
        used: impl Fn(ProjectId) -> u128,
    ) -> Option<(u128, Head, Class)> {
        let lists = self.needs.get_mut(&need)?;
        loop {
            let (noted, project) = *lists.projects.first()?;
            let now = used(project);
            if now > noted {
                lists.projects.remove(&(noted, project));
                lists.projects.insert((now, project));
                lists.used.insert(project, now);
                if lists.projects.first() != Some(&(now, project)) {
                    continue;
                }
            }
            let (head, class) = lists.heads.get(&project)?.first()?;
            return Some((now, *head, class.clone()));
        }
    }

    /// Sets a class aside until a bar lifts; `until` where it lifts by itself.
    pub(crate) fn bar(&mut self, class: &Class, bar: Bar, until: Option<Time>) {
        let Some(Listing::Next(need, head)) = self.listed.get(class).cloned() else { return };
        self.leave(class, need, head);
        if let Some(until) = until {
            self.lifts.insert((until, bar.clone()));
        }
        self.listed.insert(class.clone(), Listing::Barred(bar.clone(), need, head));
        self.barred.entry(bar).or_default().insert((head, class.clone()));
    }

    /// A bar may have lifted.
    pub(crate) fn thaw(&mut self, bar: Bar) {
        if self.barred.contains_key(&bar) {
            self.thawing.insert(bar);
        }
    }

    /// Bars that lift by themselves have lifted by now.
    pub(crate) fn thaw_due(&mut self, now: Time) {
        while let Some((at, bar)) = self.lifts.first().cloned() {
            if at > now {
                return;
            }
            self.lifts.remove(&(at, bar.clone()));
            self.thaw(bar);
        }
    }

    /// When the next bar lifts by itself.
    pub(crate) fn next_lift(&self) -> Option<Time> {
        self.lifts.first().map(|(at, _)| *at)
    }

    /// Bars that may have lifted.
    pub(crate) fn thawing(&self) -> Vec<Bar> {
        self.thawing.iter().cloned().collect()
    }

    /// The first class under a bar may be placed again. Returns what it needs, or nothing where
    /// the bar holds no more.
    pub(crate) fn release_first(&mut self, bar: &Bar) -> Option<Need> {
        let Some(entry) = self.barred.get(bar).and_then(BTreeSet::first).cloned() else {
            self.thawing.remove(bar);
            return None;
        };
        self.unbar(bar, &entry);
        let (head, class) = entry;
        let Some(Listing::Barred(_, need, _)) = self.listed.get(&class).cloned() else {
            unreachable!("a class under a bar is listed as barred");
        };
        self.listed.insert(class.clone(), Listing::Next(need, head));
        self.enter(class, need, head);
        Some(need)
    }

    /// A bar still stands: what it holds stays there, until it lifts by itself where it does.
    pub(crate) fn still_barred(&mut self, bar: &Bar, until: Option<Time>) {
        self.thawing.remove(bar);
        self.lifts.extend(until.map(|until| (until, bar.clone())));
    }

    /// Every listed class with the head that is noted for it.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&Class, Head)> {
        self.listed.iter().map(|(class, listing)| match listing {
            Listing::Next(_, head) | Listing::Barred(_, _, head) => (class, *head),
        })
    }
}
