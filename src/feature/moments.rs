//! Exact sums: count, sum and sum of squares of numbers as integers, so that taking a number out again leaves no trace.
//!
//! In: numbers, rounded to multiples of 2^-40 (about 9e-13); of magnitude at most 2^52 (about 4.5e15), where an `f64`
//! is itself no finer than 1. Out: mean and variance of the population. Keeps: the sums, in 128 and 256 bits.
//! Laws: adding is commutative, removing undoes adding and merging equals adding one after the other, all bit for bit.
//! Limits: exact up to 2^32 numbers of the greatest magnitude (more of lesser).
//! Source: the shifted sum of squares, Chan, Golub, LeVeque, *Algorithms for Computing the Sample Variance* (1983),
//! shifted by the rounded mean, which integers may do without losing anything.

use serde::{Deserialize, Serialize};

/// One, in fixed point.
const ONE: f64 = (1_u64 << 40) as f64;

/// The greatest magnitude of a number in a sum: 2^52.
pub const LIMIT: f64 = (1_u64 << 52) as f64;

/// A number in fixed point (2^-40), rounded half away from zero; `None` if it is NaN or beyond [`LIMIT`].
#[inline]
pub(crate) fn fixed(number: f64) -> Option<i128> {
    if number.is_nan() || number.abs() > LIMIT {
        return None;
    }
    let scaled = number * ONE;
    // Below 2^52 there are fractions to round; above it every f64 is whole, and adding a half would spoil it.
    Some(if scaled.abs() < LIMIT {
        i128::from((scaled + 0.5_f64.copysign(scaled)) as i64)
    } else if scaled.abs() < 9e18 {
        i128::from(scaled as i64)
    } else {
        scaled as i128
    })
}

/// The same, where it is below 2^60.
#[inline]
pub(crate) fn fixed_short(number: f64) -> Option<i64> {
    let scaled = number * ONE;
    if scaled.abs() < LIMIT {
        Some((scaled + 0.5_f64.copysign(scaled)) as i64)
    } else {
        (scaled.abs() < (1_u64 << 60) as f64).then_some(scaled as i64)
    }
}

/// A total in two machine words: at the alignment of an `i128` each of the many sums would be half as long again, and
/// most of what a window costs is the cache lines that it lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i128", into = "i128")]
#[repr(C, packed(8))]
struct Total(i128);

impl From<i128> for Total {
    fn from(total: i128) -> Total {
        Total(total)
    }
}

impl From<Total> for i128 {
    fn from(total: Total) -> i128 {
        total.0
    }
}

/// Count and sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    total: Total,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, number: i128) {
        self.count += 1;
        self.total = Total(self.total.0 + number);
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: i128) {
        self.count -= 1;
        self.total = Total(self.total.0 - number);
    }

    /// The sum; `None` of nothing.
    #[inline]
    pub(crate) fn sum(&self) -> Option<f64> {
        (self.count > 0).then(|| float(self.total.0) / ONE)
    }

    /// The mean; `None` of nothing.
    #[inline]
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| float(self.total.0) / (self.count as f64 * ONE))
    }
}

/// Count, sum and sum of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moments {
    pub(crate) sum: Sum,
    squares: Wide,
}

impl Moments {
    #[inline]
    pub(crate) fn add(&mut self, number: i128) {
        self.sum.add(number);
        self.squares = self.squares.plus(Wide::square(number));
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: i128) {
        self.sum.remove(number);
        self.squares = self.squares.minus(Wide::square(number));
    }

    /// Whether so many numbers may have such sums: whoever wrote them, they are safe to go on from.
    pub(crate) fn is_plausible(&self) -> bool {
        let count = i128::from(self.sum.count);
        let Total(total) = self.sum.total;
        count <= 1 << 32 && total.unsigned_abs() <= (count << 92) as u128 && (0..=1 << 88).contains(&self.squares.high)
    }

    /// The standard deviation of the population; `None` of nothing, exactly 0 of equal numbers.
    pub(crate) fn deviation(&self) -> Option<f64> {
        (self.sum.count > 0).then(|| self.centred() / ONE)
    }

    /// The deviation in units of the fixed point.
    fn centred(&self) -> f64 {
        let (count, total) = (i128::from(self.sum.count), self.sum.total.0);
        let whole = total.div_euclid(count);
        let rest = total - whole * count;
        // sum (x - whole)^2 = sum x^2 - count whole^2 - 2 whole rest, of which nothing was rounded yet.
        let squares = self.squares.minus(Wide::square(whole).times(self.sum.count)).minus(Wide::from(2 * whole * rest));
        deviation(self.sum.count, float(rest), squares)
    }
}

/// The deviation in units of the fixed point of `count` numbers, from the sum of their distances from a whole number
/// and the sum of the distances' squares.
#[inline]
fn deviation(count: u64, rest: f64, squares: Wide) -> f64 {
    let count = count as i64 as f64;
    let rest = rest / count;
    let variance = squares.float() / count - rest * rest;
    variance.max(0.0).sqrt()
}

/// Count, sum and sum of squares as seen from the mean: the same integers as [`Moments`] has, for numbers that are only
/// added, and each of which wants to be compared with mean and deviation at once. Moving the mean along costs a 64-bit
/// division where computing it anew costs one of 128 bits and products of 256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Centred {
    pub(crate) count: u64,
    /// The mean, rounded down; and the sum of the distances from it, at least 0 and less than `count`.
    whole: i128,
    rest: u64,
    /// The sum of the squared distances from `whole`.
    squares: Wide,
}

impl Centred {
    /// Takes a number in, and standardizes it: see [`Centred::standardize`].
    pub(crate) fn push(&mut self, number: i128) -> f64 {
        let distance = number - self.whole;
        self.squares = self.squares.plus(Wide::square(distance));
        self.count += 1;
        self.settle(i128::from(self.rest) + distance);
        let distance = float(number - self.whole);
        self.standardize(distance)
    }

    /// The same for a number below 2^60, if all that it meets fits the machine's words; else nothing is done.
    #[inline]
    pub(crate) fn push_short(&mut self, number: i64) -> Option<f64> {
        const SHORT: u64 = 1 << 60;
        let whole = self.whole as i64;
        let fits = i128::from(whole) == self.whole && whole.unsigned_abs() <= SHORT && self.count < SHORT;
        if !fits || self.squares.high != 0 {
            return None;
        }
        let (distance, count) = (number - whole, self.count as i64 + 1);
        let rest = self.rest as i64 + distance;
        let step = rest.div_euclid(count);
        let left = rest - step * count;
        // As in `settle`; the sum of squares stays at least 0, whatever the sign of what is added.
        let moved = i128::from(step) * i128::from(rest + left);
        let squares = self.squares.low.checked_add_signed(i128::from(distance) * i128::from(distance) - moved)?;
        (self.count, self.rest, self.squares.low) = (count as u64, left as u64, squares);
        self.whole = i128::from(whole + step);
        Some(self.standardize((distance - step) as f64))
    }

    /// Takes in all numbers of another.
    pub(crate) fn merge(&mut self, other: &Centred) {
        // Seen from this mean, each distance of the other's is longer by theirs.
        let apart = other.whole - self.whole;
        let longer = Wide::square(apart).times(other.count).plus(Wide::product(2 * apart, i128::from(other.rest)));
        self.squares = self.squares.plus(other.squares).plus(longer);
        let rest = i128::from(self.rest) + i128::from(other.rest) + apart * i128::from(other.count);
        self.count += other.count;
        self.settle(rest);
    }

    /// Moves `whole` to the mean; `rest` is the sum of the distances from where it is.
    fn settle(&mut self, rest: i128) {
        if self.count == 0 {
            return;
        }
        let count = i128::from(self.count);
        let step = rest.div_euclid(count);
        let left = rest - step * count;
        // sum (d - step)^2 = sum d^2 - 2 step sum d + count step^2, and sum d is `rest`.
        self.squares = self.squares.minus(Wide::product(step, rest + left));
        self.whole += step;
        self.rest = left as u64;
    }

    /// `(number - mean) / deviation` of a number at this distance from `whole`; 0 where the deviation is 0.
    #[inline]
    fn standardize(&self, distance: f64) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let rest = self.rest as i64 as f64;
        let deviation = deviation(self.count, rest, self.squares);
        if deviation == 0.0 {
            return 0.0;
        }
        // The difference of the large numbers was taken in integers, where nothing cancels.
        (distance - rest / self.count as i64 as f64) / deviation
    }
}

/// An integer of 256 bits, two's complement: `high * 2^128 + low`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Wide {
    high: i128,
    low: u128,
}

impl Wide {
    /// The square of a number of at most 2^92.
    #[inline]
    fn square(number: i128) -> Wide {
        if let Ok(short) = i64::try_from(number) {
            return Wide { high: 0, low: (i128::from(short) * i128::from(short)) as u128 };
        }
        let size = number.unsigned_abs();
        if size >> 64 == 0 {
            return Wide { high: 0, low: size * size };
        }
        // (a 2^64 + b)^2 with a below 2^28
        let (a, b) = (size >> 64, size & u128::from(u64::MAX));
        let middle = 2 * a * b;
        Wide { high: (a * a + (middle >> 64)) as i128, low: middle << 64 }.plus(Wide { high: 0, low: b * b })
    }

    /// The product of two numbers of at most 2^95.
    #[inline]
    fn product(a: i128, b: i128) -> Wide {
        match (i64::try_from(a), i64::try_from(b)) {
            (Ok(a), Ok(b)) => Wide::from(i128::from(a) * i128::from(b)),
            _ => Wide::long_product(a, b),
        }
    }

    fn long_product(a: i128, b: i128) -> Wide {
        let size = Wide { high: 0, low: a.unsigned_abs() };
        let below = size.times(b.unsigned_abs() as u64);
        let above = size.times((b.unsigned_abs() >> 64) as u64);
        let product = below.plus(Wide { high: above.high << 64 | (above.low >> 64) as i128, low: above.low << 64 });
        if (a < 0) == (b < 0) { product } else { Wide::default().minus(product) }
    }

    /// This, not negative, times a count of at most 2^64 - 1, as long as the product fits.
    fn times(self, count: u64) -> Wide {
        let count = u128::from(count);
        let below = (self.low & u128::from(u64::MAX)) * count;
        let above = (self.low >> 64) * count + (below >> 64);
        Wide {
            high: self.high * count as i128 + (above >> 64) as i128,
            low: above << 64 | below & u128::from(u64::MAX),
        }
    }

    #[inline]
    fn plus(self, other: Wide) -> Wide {
        let (low, carry) = self.low.overflowing_add(other.low);
        Wide { high: self.high + other.high + i128::from(carry), low }
    }

    #[inline]
    fn minus(self, other: Wide) -> Wide {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Wide { high: self.high - other.high - i128::from(borrow), low }
    }

    #[inline]
    fn float(self) -> f64 {
        if self.high == 0 {
            return nearest(self.low);
        }
        self.high as f64 * (2.0_f64.powi(64) * 2.0_f64.powi(64)) + self.low as f64
    }
}

impl From<i128> for Wide {
    fn from(number: i128) -> Wide {
        Wide { high: number >> 127, low: number as u128 }
    }
}

/// The nearest f64, which `as` gives too, by a call that takes twice as long.
#[inline]
fn nearest(number: u128) -> f64 {
    let (high, low) = ((number >> 64) as u64, number as u64);
    if high == 0 && low >> 63 == 0 {
        return low as i64 as f64;
    }
    let zeros = high.leading_zeros();
    if zeros == 0 || high == 0 {
        return number as f64;
    }
    // The upper 64 bits. The last of the 63 that are kept says whether there is anything below: that decides what looks
    // like a tie.
    let upper = high << zeros | low >> (64 - zeros);
    let kept = (upper >> 1 | upper & 1) as i64 | i64::from(low << zeros != 0);
    kept as f64 * f64::from_bits(u64::from(1023 + 65 - zeros) << 52)
}

/// The nearest f64; the short way gives the same bits and is faster.
#[inline]
fn float(number: i128) -> f64 {
    // The black box keeps the compiler from seeing that both arms are one conversion of 128 bits, which is slow.
    i64::try_from(number).map_or_else(|_| number as f64, |short| std::hint::black_box(short) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[f64]) -> Moments {
        let mut moments = Moments::default();
        numbers.iter().for_each(|x| moments.add(fixed(*x).unwrap()));
        moments
    }

    fn centred(numbers: &[f64]) -> Centred {
        let mut centred = Centred::default();
        for x in numbers {
            let mut long = centred;
            let score = long.push(fixed(*x).unwrap());
            if let Some(short) = fixed_short(*x)
                && let Some(same) = centred.push_short(short)
            {
                assert_eq!((same.to_bits(), i128::from(short)), (score.to_bits(), fixed(*x).unwrap()));
                assert_eq!(centred, long, "the short way keeps the same integers");
            }
            centred = long;
        }
        centred
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![-10.0..10.0, -1e6..1e6, -LIMIT..LIMIT, Just(LIMIT), Just(-LIMIT), Just(0.1)]
    }

    proptest! {
        #[test]
        fn rounding_is_to_the_nearest_step(x in any_number()) {
            let back = fixed(x).unwrap() as f64 / ONE;
            prop_assert!((back - x).abs() <= 0.5 / ONE, "{x} became {back}");
        }

        #[test]
        fn order_removal_and_merging_leave_no_trace(
            mut numbers in prop::collection::vec(any_number(), 1..40), cut in 0usize..40
        ) {
            let all = of(&numbers);
            let (a, b) = numbers.split_at(cut.min(numbers.len()));
            let mut merged = centred(a);
            merged.merge(&centred(b));
            prop_assert_eq!(merged, centred(&numbers));
            let mut less = all;
            b.iter().for_each(|x| less.remove(fixed(*x).unwrap()));
            prop_assert_eq!(less, of(a));
            let centred_before = centred(&numbers);
            numbers.reverse();
            prop_assert_eq!(of(&numbers), all);
            prop_assert_eq!(centred(&numbers), centred_before);
        }

        #[test]
        fn deviation_is_that_of_two_passes(numbers in prop::collection::vec(any_number(), 2..60)) {
            let moments = of(&numbers);
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            let two_pass = (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let greatest = numbers.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            prop_assert!((moments.sum.mean().unwrap() - mean).abs() <= 1e-13 * greatest + 1e-12);
            prop_assert!((moments.deviation().unwrap() - two_pass).abs() <= 1e-13 * greatest + 1e-12);
        }

        /// Both ways of keeping them are the same integers, whatever the numbers.
        #[test]
        fn the_mean_moved_along_is_the_mean_computed_anew(numbers in prop::collection::vec(any_number(), 1..60)) {
            let (moments, centred) = (of(&numbers), centred(&numbers));
            let count = centred.count as i128;
            prop_assert_eq!(centred.whole * count + i128::from(centred.rest), moments.sum.total.0);
            prop_assert!(centred.rest < centred.count);
            let mut squares = Wide::default();
            for x in &numbers {
                squares = squares.plus(Wide::square(fixed(*x).unwrap() - centred.whole));
            }
            prop_assert_eq!(centred.squares, squares);
            let deviation = deviation(centred.count, centred.rest as f64, centred.squares) / ONE;
            prop_assert_eq!(moments.deviation().map(f64::to_bits), Some(deviation.to_bits()));
        }

        #[test]
        fn equal_numbers_deviate_by_exactly_nothing(x in any_number(), count in 1usize..100) {
            prop_assert_eq!(of(&vec![x; count]).deviation(), Some(0.0));
        }

        #[test]
        fn the_nearest_float_is_found(number: u128, shift in 0u32..128) {
            let number = number >> shift;
            for number in [number, number.saturating_add(1), number & !0xff, number | 1 << 60] {
                prop_assert_eq!(nearest(number).to_bits(), (number as f64).to_bits());
            }
        }

        #[test]
        fn wide_products_are_those_of_small_numbers(a in -(1i128 << 60)..1i128 << 60, n in 0u64..1 << 6) {
            prop_assert_eq!(Wide::square(a).times(n), Wide::from(a * a * i128::from(n)));
            prop_assert_eq!(Wide::long_product(a, i128::from(n)), Wide::from(a * i128::from(n)));
        }
    }

    #[test]
    fn wide_squares_carry() {
        // (2^92 - 1)^2 = 2^184 - 2^93 + 1
        let square = Wide::square((1 << 92) - 1);
        assert_eq!(square, Wide { high: 1 << 56, low: 1 }.minus(Wide { high: 0, low: 1 << 93 }));
        assert_eq!(square.float(), 2.0_f64.powi(184));
        assert_eq!(square.times(3), square.plus(square).plus(square));
    }

    #[test]
    fn what_is_beyond_is_refused() {
        for x in [f64::NAN, f64::INFINITY, -f64::INFINITY, LIMIT * 1.001] {
            assert_eq!(fixed(x), None);
        }
        assert_eq!(Sum::default().mean(), None);
    }
}
