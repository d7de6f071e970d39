//! `benches/stream.toml` by hand.

use super::learner::Learner;
use super::lines::Lines;
use super::names::{Map, Names, at};
use super::newest::{Newest, Recent};
use super::output::Output;
use super::score_board::ScoreBoard;
use super::standardizer::{ONE, Standardizer, fixed};
use super::time::micros;
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::Result;
use std::path::Path;

const HOUR: i64 = 3_600_000_000;
const DENSE: usize = 6;
const HOURS: u32 = 24;

#[derive(Deserialize)]
struct Payment {
    at: CompactString,
    id: CompactString,
    user: CompactString,
    merchant: CompactString,
    amount: f64,
}

#[derive(Deserialize)]
struct Click {
    at: CompactString,
    user: CompactString,
}

#[derive(Deserialize)]
struct Label {
    at: CompactString,
    id: CompactString,
    fraud: bool,
}

/// A stream of JSON lines, one row ahead; the greatest time is its end.
struct Json<T> {
    lines: Lines,
    line: Vec<u8>,
    at: fn(&T) -> &str,
    row: Option<T>,
    time: i64,
}

impl<T: DeserializeOwned> Json<T> {
    fn open(path: &Path, at: fn(&T) -> &str) -> Result<Json<T>> {
        let mut json = Json { lines: Lines::open(path)?, line: Vec::new(), at, row: None, time: 0 };
        json.advance()?;
        Ok(json)
    }

    fn advance(&mut self) -> Result<Option<T>> {
        let row = if self.lines.next(&mut self.line)? { Some(serde_json::from_slice(&self.line)?) } else { None };
        self.time = row.as_ref().map_or(i64::MAX, |row| micros((self.at)(row)));
        Ok(std::mem::replace(&mut self.row, row))
    }
}

#[derive(Default)]
struct User {
    payments: Recent<HOUR>,
    amounts: Newest<10>,
    clicks: Recent<HOUR>,
}

#[derive(Default)]
struct Merchant {
    payments: Recent<HOUR>,
    frauds: Newest<100>,
}

struct Waiting {
    dense: [f64; DENSE],
    hot: [u32; 1],
    score: f64,
    merchant: usize,
}

pub fn run(folder: &Path, out: &Path) -> Result<(u64, ScoreBoard)> {
    let mut payments = Json::open(&folder.join("events.jsonl"), |p: &Payment| &p.at)?;
    let mut labels = Json::open(&folder.join("labels.jsonl"), |l: &Label| &l.at)?;
    let mut clicks = Json::open(&folder.join("clicks.jsonl"), |c: &Click| &c.at)?;
    let (mut user_names, mut users) = (Names::default(), Vec::<User>::new());
    let (mut merchant_names, mut merchants) = (Names::default(), Vec::<Merchant>::new());
    let mut waiting = Map::<CompactString, Waiting>::default();
    let mut standardizers = [Standardizer::default(); DENSE];
    let mut learner = Learner::new(DENSE + HOURS as usize + 1);
    let (mut board, mut output, mut events) = (ScoreBoard::new(), Output::create(out, "fraud")?, 0);
    loop {
        let time = clicks.time.min(labels.time).min(payments.time);
        if time == i64::MAX {
            break;
        }
        // Of one time: contexts, then labels, then events.
        if clicks.time == time {
            let Some(click) = clicks.advance()? else { continue };
            at(&mut users, user_names.number(&click.user)).clicks.push(time, 0);
        } else if labels.time == time {
            let Some(label) = labels.advance()? else { continue };
            let Some(event) = waiting.remove(&label.id) else { continue };
            merchants[event.merchant].frauds.push(i64::from(label.fraud));
            learner.learn(&event.dense, &event.hot, label.fraud);
            board.label(event.score, label.fraud);
        } else {
            let Some(payment) = payments.advance()? else { continue };
            let user = at(&mut users, user_names.number(&payment.user));
            let number = merchant_names.number(&payment.merchant);
            let merchant = at(&mut merchants, number);
            let numbers = [
                payment.amount.ln(),
                user.payments.count(time),
                user.amounts.mean(ONE, 0.0),
                user.clicks.count(time),
                merchant.frauds.mean(1.0, 0.0),
                merchant.payments.count(time),
            ];
            let mut dense = [0.0; DENSE];
            for ((x, number), standardizer) in dense.iter_mut().zip(numbers).zip(&mut standardizers) {
                if number.is_finite() {
                    *x = standardizer.push(number);
                }
            }
            user.payments.push(time, 0);
            user.amounts.push(fixed(payment.amount));
            merchant.payments.push(time, 0);
            let hour = payment.at[11..13].parse().unwrap_or(HOURS);
            let hot = [DENSE as u32 + hour];
            let score = learner.score(&dense, &hot);
            // An instant on the second is written without a fraction.
            let at = payment.at.strip_suffix(".000Z").map_or([payment.at.as_str(), ""], |start| [start, "Z"]);
            output.write(&payment.id, at, score, learner.updates)?;
            waiting.insert(payment.id, Waiting { dense, hot, score, merchant: number });
            events += 1;
        }
    }
    output.close()?;
    Ok((events, board))
}
