//! Cron expressions over wall clock readings, and which ticks to fire. Pure: no clock, no time zone.

use chrono::NaiveDateTime;
use croner::parser::{CronParser, Seconds, Year};

/// Missed ticks of one schedule that one transaction fires; further ones follow in the next.
pub const TICKS_MAX: usize = 1_000;

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cron {text:?}: {fault}; write five fields (minute hour day month weekday), such as \"0 2 * * *\"")]
pub struct CronFault {
    text: String,
    fault: String,
}

/// Which readings of the wall clock are ticks: five fields, to the minute.
#[derive(Clone, Debug)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads an expression of five fields. As everywhere, a day matches if the day of the month or the weekday does, where
    /// both are given.
    ///
    /// # Errors
    /// [`CronFault`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, CronFault> {
        let fault = |fault: String| CronFault { text: text.to_owned(), fault };
        let fields = text.split_whitespace().count();
        if fields != 5 {
            return Err(fault(format!("it has {fields} fields")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(text).map(Self).map_err(|error| fault(error.to_string()))
    }

    /// The first matching reading after this one; none if there never is one.
    #[must_use]
    pub fn next_after(&self, reading: NaiveDateTime) -> Option<NaiveDateTime> {
        self.0.find_next_occurrence(&reading, false).ok()
    }

    /// The last matching reading until this one, itself included.
    #[must_use]
    pub fn last_until(&self, reading: NaiveDateTime) -> Option<NaiveDateTime> {
        self.0.find_previous_occurrence(&reading, true).ok()
    }
}

/// What to do about ticks that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Only the newest is fired.
    Latest,
    /// Each is fired, in order.
    All,
}

impl CatchUp {
    /// The name in `schedules`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::All => "all",
        }
    }

    /// The policy of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Latest, Self::All].into_iter().find(|policy| policy.as_str() == name)
    }
}

/// Which ticks of a schedule to fire now, and which is next, as readings of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// To fire, in order; at most [`TICKS_MAX`].
    pub ticks: Vec<NaiveDateTime>,
    /// The tick after those; not later than `now` if more were missed than may be fired at once. None if there is none.
    pub next: Option<NaiveDateTime>,
}

/// Plans a schedule whose next tick was due when the wall clock showed `due` (none if it was never computed: then nothing
/// is fired), while it shows `now`.
#[must_use]
pub fn plan(cron: &Cron, catch_up: CatchUp, due: Option<NaiveDateTime>, now: NaiveDateTime) -> Plan {
    let Some(due) = due else {
        return Plan { ticks: Vec::new(), next: cron.next_after(now) };
    };
    match catch_up {
        CatchUp::Latest => {
            let newest = cron.last_until(now).map_or(due, |last| last.max(due));
            Plan { ticks: vec![newest], next: cron.next_after(now) }
        }
        CatchUp::All => {
            let following = std::iter::successors(Some(due), |reading| cron.next_after(*reading));
            let ticks: Vec<NaiveDateTime> = following.take_while(|reading| *reading <= now).take(TICKS_MAX).collect();
            let next = cron.next_after(ticks.last().copied().unwrap_or(now));
            Plan { ticks, next }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect(text)
    }

    fn planned(cron: &str, catch_up: CatchUp, due: Option<&str>, now: &str) -> (Vec<String>, Option<String>) {
        let plan = plan(&Cron::parse(cron).expect(cron), catch_up, due.map(at), at(now));
        let text = |reading: NaiveDateTime| reading.format("%m-%d %H:%M").to_string();
        (plan.ticks.into_iter().map(text).collect(), plan.next.map(text))
    }

    #[test]
    fn what_is_no_expression_is_refused_by_name() {
        for (text, named) in [
            ("", "it has 0 fields"),
            ("0 2 * *", "it has 4 fields"),
            ("0 0 2 * * *", "it has 6 fields"),
            ("@daily", "it has 1 fields"),
            ("60 2 * * *", "out of bounds"),
            ("0 2 * * MOO", "cron \"0 2 * * MOO\""),
            ("0 2 32 * *", "out of bounds"),
        ] {
            let message = Cron::parse(text).expect_err(text).to_string();
            assert!(message.contains(named) && message.contains("five fields"), "{message}");
        }
    }

    #[test]
    fn a_new_schedule_fires_nothing() {
        let tomorrow = (vec![], Some("05-02 02:00".to_owned()));
        assert_eq!(planned("0 2 * * *", CatchUp::All, None, "2026-05-01 02:00"), tomorrow);
        assert_eq!(planned("0 2 * * *", CatchUp::Latest, None, "2026-05-01 12:00"), tomorrow);
    }

    #[test]
    fn missed_ticks_follow_the_policy() {
        let (due, now) = (Some("2026-05-01 02:00"), "2026-05-04 01:59");
        let next = Some("05-04 02:00".to_owned());
        assert_eq!(planned("0 2 * * *", CatchUp::Latest, due, now), (vec!["05-03 02:00".to_owned()], next.clone()));
        let each = ["05-01 02:00", "05-02 02:00", "05-03 02:00"].map(str::to_owned).to_vec();
        assert_eq!(planned("0 2 * * *", CatchUp::All, due, now), (each, next));
    }

    #[test]
    fn a_due_tick_that_matches_no_longer_as_a_reading_is_still_fired_once() {
        // Berlin, 2026-03-29: 02:30 does not exist; its tick comes due when the clock shows 03:00.
        for catch_up in [CatchUp::Latest, CatchUp::All] {
            let fired = planned("30 2 * * *", catch_up, Some("2026-03-29 03:00"), "2026-03-29 03:00");
            assert_eq!(fired, (vec!["03-29 03:00".to_owned()], Some("03-30 02:30".to_owned())));
        }
    }

    #[test]
    fn one_transaction_fires_a_bounded_number_and_the_next_goes_on() {
        let cron = Cron::parse("* * * * *").expect("valid");
        let first = plan(&cron, CatchUp::All, Some(at("2026-05-01 00:00")), at("2026-05-01 20:00"));
        assert_eq!((first.ticks.len(), first.next), (TICKS_MAX, Some(at("2026-05-01 16:40"))));
        let rest = plan(&cron, CatchUp::All, first.next, at("2026-05-01 20:00"));
        assert_eq!((rest.ticks.len(), rest.next), (201, Some(at("2026-05-01 20:01"))));
    }

    #[test]
    fn an_expression_that_never_matches_has_no_tick() {
        assert_eq!(planned("0 0 30 2 *", CatchUp::All, None, "2026-05-01 00:00"), (vec![], None));
    }
}
