//! A generated stream: as long as asked, the same for the same dice.

use crate::dice::Dice;
use std::collections::BTreeMap;

/// Events a second apart, each with a label two hours later, of which some are missing, some said twice, some corrected
/// half an hour after: the lines of both streams, in the order of their times.
pub fn streams(events: u64, dice: &mut Dice) -> [String; 2] {
    let at = |second: u64| {
        let (day, rest) = (second / 86_400, second % 86_400);
        let time = tidemill::time::Time((19_723 + day as i64) * 86_400_000_000 + rest as i64 * 1_000_000);
        time.to_string()
    };
    let (mut first, mut labels) = (String::new(), BTreeMap::new());
    for n in 0..events {
        let x: Vec<f64> = (0..3).map(|_| dice.below(10_000) as f64 / 1000.0).collect();
        first += &format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"x0\":{},\"x1\":{},\"x2\":{}}}\n", at(n), x[0], x[1], x[2]);
        let limit = [8.0, 9.0, 7.0, 9.5][(4 * n / events) as usize];
        let label = (x[0] + x[1] <= limit) != (dice.below(10) == 0);
        let mut say = |second: u64, label: bool| {
            labels.insert((second, n), format!("{{\"id\":\"{n}\",\"at\":\"{}\",\"y\":{label}}}\n", at(second)));
        };
        match dice.below(20) {
            0 => {}
            1 => {
                say(n + 7200, label);
                say(n + 9000, label);
            }
            2 => {
                say(n + 7200, !label);
                say(n + 9000, label);
            }
            _ => say(n + 7200, label),
        }
    }
    [first, labels.into_values().collect()]
}
