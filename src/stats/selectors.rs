//! Which tags somebody asks for by name: those stay, where everything else about a sample is given up.

/// A metric and the tags that are asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric's name.
    pub metric: String,
    /// Name and value of each tag, sorted by name; each name once, at least one.
    pub tags: Vec<(String, String)>,
}

impl Selector {
    fn names(&self, tag: (&str, &str)) -> bool {
        self.tags.iter().any(|(name, value)| (&**name, &**value) == tag)
    }

    /// Whether a sample of these tags is asked for; what is only known `later` may yet come to be as it asks.
    fn fits(&self, metric: &str, tags: &[(&str, &str)], later: &[&str]) -> bool {
        let fits = |(name, value): &(String, String)| {
            later.contains(&&**name) || tags.contains(&(name.as_str(), value.as_str()))
        };
        self.metric == metric && self.tags.iter().all(fits)
    }
}

/// What the thresholds and the report of a run ask for. There are as many as were written down, so that what is made of them is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors(Vec<Selector>);

impl Selectors {
    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Selector> {
        self.0.iter()
    }

    /// These, which were some already.
    pub(super) fn of(all: Vec<Selector>) -> Selectors {
        Selectors(all)
    }

    /// One more, unless it is known, or asks for no tag.
    pub fn add(&mut self, metric: &str, mut tags: Vec<(String, String)>) {
        tags.sort();
        tags.dedup_by(|a, b| a.0 == b.0);
        let selector = Selector { metric: metric.into(), tags };
        if !selector.tags.is_empty() && !self.0.contains(&selector) {
            self.0.push(selector);
        }
    }

    /// Whether anything is asked of a metric.
    pub fn ask_of(&self, metric: &str) -> bool {
        self.0.iter().any(|selector| selector.metric == metric)
    }

    /// Those of `tags` that must stay, in their order: with them alone, each selector still says of the sample what it says of all its tags.
    /// `later` are names of tags that are not there yet.
    pub fn kept<'t>(
        &self,
        metric: &str,
        tags: &[(&'t str, &'t str)],
        later: &[&str],
    ) -> Vec<(&'t str, &'t str)> {
        let fits: Vec<&Selector> = self.0.iter().filter(|s| s.fits(metric, tags, later)).collect();
        tags.iter().copied().filter(|tag| fits.iter().any(|selector| selector.names(*tag))).collect()
    }

    /// The same, for those alone that ask for `tag`, which is one of `tags`; `None` where none fits.
    pub fn kept_with<'t>(
        &self,
        metric: &str,
        tags: &[(&'t str, &'t str)],
        tag: (&str, &str),
    ) -> Option<Vec<(&'t str, &'t str)>> {
        let asked = self.0.iter().filter(|s| s.names(tag) && s.fits(metric, tags, &[]));
        let fits: Vec<&Selector> = asked.collect();
        let kept = tags.iter().copied().filter(|tag| fits.iter().any(|selector| selector.names(*tag)));
        (!fits.is_empty()).then(|| kept.collect())
    }

    /// Whether any that asks for `tag` may fit samples of these tags.
    pub fn may_ask(&self, metric: &str, tags: &[(&str, &str)], later: &[&str], tag: (&str, &str)) -> bool {
        self.0.iter().any(|selector| selector.names(tag) && selector.fits(metric, tags, later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selectors(all: &[&[(&str, &str)]]) -> Selectors {
        let mut selectors = Selectors::default();
        for tags in all {
            selectors.add("m", tags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        }
        selectors
    }

    #[test]
    fn whole_selectors_stay_and_nothing_else() {
        let asked = selectors(&[&[("a", "1")], &[("a", "2"), ("b", "1")], &[("a", "1")], &[]]);
        assert_eq!(asked.iter().count(), 2, "each once, and only those that ask for something");
        let kept = |tags: &[(&'static str, &'static str)]| asked.kept("m", tags, &[]);
        assert_eq!(kept(&[("a", "1"), ("b", "1"), ("c", "1")]), [("a", "1")]);
        assert_eq!(kept(&[("a", "2"), ("b", "1")]), [("a", "2"), ("b", "1")]);
        assert_eq!(kept(&[("a", "2"), ("b", "9")]), []);
        assert!(asked.kept("other", &[("a", "1")], &[]).is_empty(), "of its metric alone");
        assert_eq!(asked.kept("m", &[("a", "2")], &["b"]), [("a", "2")], "b may come");
    }

    #[test]
    fn a_condition_is_asked_for_by_name() {
        let asked = selectors(&[&[("a", "1")], &[("a", "2"), ("status", "500")]]);
        let condition = ("status", "500");
        assert_eq!(asked.kept_with("m", &[("a", "1"), condition], condition), None);
        let kept = asked.kept_with("m", &[("a", "2"), ("b", "1"), condition], condition);
        assert_eq!(kept, Some(vec![("a", "2"), condition]));
        assert!(asked.may_ask("m", &[("a", "2")], &["status"], condition));
        assert!(!asked.may_ask("m", &[("a", "1")], &["status"], condition));
    }
}
