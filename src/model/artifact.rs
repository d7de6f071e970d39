//! An artifact: the immutable bytes that a version is.
//!
//! In: a model's state. Out: canonical JSON (fields in the order of the types, no spaces, shortest decimals that read
//! back to the same bits), and the blake3 digest of exactly these bytes. Limits: [`Artifact::MAX_BYTES`] before
//! parsing, [`Artifact::MAX_WIDTH`] slots while parsing, every number finite and in its range after. An artifact is
//! numbers; nothing in it is ever executed, whoever wrote it.

use super::{AdaptiveRandomForest, Alma, BoostedTrees, Ensemble, GaussianNb, HoeffdingAdaptiveTree, HoeffdingTree};
use super::{Learner, LeveragingBagging};
use super::{Linear, Logistic, Majority, MultinomialNb, NearestNeighbors, NoChange, OnlineGaussianNb};
use super::{PassiveAggressive, RegressionForest, RegressionTree, Ridge, Softmax, StreamingRandomPatches, VotingTrees};
use crate::feature::Vector;
use crate::task::{Prediction, Task};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A version's content.
///
/// ```
/// use tidemill::config::spec::OptimizerSpec;
/// use tidemill::model::{Artifact, Learner, Logistic};
/// let body = Logistic::new(3, &OptimizerSpec::sgd(0.01), 0.0).save();
/// let artifact = Artifact::new("late", "c0ffee", 3, body).unwrap();
/// let bytes = artifact.to_bytes();
/// assert_eq!(Artifact::from_bytes(&bytes).unwrap(), artifact);
/// assert_eq!(Artifact::digest(&bytes).len(), 64);
/// assert!(Artifact::from_bytes(br#"{"format":2}"#).unwrap_err().to_string().contains("format 2"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The format of these bytes, [`Artifact::FORMAT`].
    pub format: u32,
    /// The model's name in the pipeline.
    pub model: String,
    /// The digest, in hex, of the feature schema that the model was made for.
    pub features: String,
    /// The slots of that schema.
    pub width: u32,
    /// The model itself.
    pub body: Body,
}

/// The state of a model of any kind: what a learner saves, what a fixed model is.
///
/// Tagged from outside (`{"logistic":{..}}`), since bincode, which carries it between workers, cannot read the other
/// forms of tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Logistic regression, online or fitted.
    Logistic(Logistic),
    /// Softmax regression.
    Softmax(Softmax),
    /// Linear regression, online or fitted.
    Linear(Linear),
    /// Ridge regression.
    Ridge(Ridge),
    /// Gaussian naive Bayes, fitted.
    GaussianNb(GaussianNb),
    /// Gaussian naive Bayes, online.
    OnlineGaussianNb(OnlineGaussianNb),
    /// Multinomial naive Bayes.
    MultinomialNb(MultinomialNb),
    /// Passive-aggressive.
    PassiveAggressive(PassiveAggressive),
    /// ALMA.
    Alma(Alma),
    /// Nearest neighbours.
    NearestNeighbors(NearestNeighbors),
    /// Boosted trees, fitted.
    BoostedTrees(BoostedTrees),
    /// Trees that vote, fitted.
    VotingTrees(VotingTrees),
    /// A Hoeffding tree, online.
    HoeffdingTree(HoeffdingTree),
    /// A Hoeffding adaptive tree, online.
    HoeffdingAdaptiveTree(HoeffdingAdaptiveTree),
    /// An adaptive random forest, online.
    AdaptiveRandomForest(AdaptiveRandomForest),
    /// Leveraging bagging, online.
    LeveragingBagging(LeveragingBagging),
    /// Streaming random patches, online.
    StreamingRandomPatches(StreamingRandomPatches),
    /// A regression tree, online.
    RegressionTree(RegressionTree),
    /// An adaptive random forest of a regression, online.
    RegressionForest(RegressionForest),
    /// The baseline `majority`.
    Majority(Majority),
    /// The baseline `no_change`.
    NoChange(NoChange),
}

/// Why an artifact is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Longer than the cap.
    #[error("artifact of {found} bytes is longer than {max} bytes", max = Artifact::MAX_BYTES)]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not JSON, or not of this shape.
    #[error("artifact is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by another version of this program.
    #[error("artifact has format {found}, this program reads format {known}", known = Artifact::FORMAT)]
    Format {
        /// Its format.
        found: u32,
    },
    /// More slots than any model may have.
    #[error("artifact has width {found}, allowed is at most {max}", max = Artifact::MAX_WIDTH)]
    Width {
        /// Its width.
        found: u32,
    },
    /// A name that is empty, too long, or not of the characters allowed.
    #[error("artifact's {what} {found:?} is not {allowed}")]
    Name {
        /// The field.
        what: &'static str,
        /// Its start.
        found: String,
        /// What it should be.
        allowed: &'static str,
    },
    /// A list that does not have one number a slot.
    #[error("artifact has {found} {what} for {width} slots")]
    Length {
        /// The list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        width: usize,
    },
    /// NaN or an infinity.
    #[error("artifact has {found} in {what} at slot {slot}, allowed are finite numbers")]
    NotFinite {
        /// The list.
        what: &'static str,
        /// The place in it.
        slot: usize,
        /// The number.
        found: f64,
    },
    /// A number out of its range.
    #[error("artifact has {what} {found:?}, allowed is {allowed}")]
    Range {
        /// The field.
        what: &'static str,
        /// The number.
        found: f64,
        /// Its range.
        allowed: &'static str,
    },
}

impl Artifact {
    /// The format that this program writes and reads.
    pub const FORMAT: u32 = 1;
    /// The greatest length in bytes, 64 MiB.
    pub const MAX_BYTES: usize = 64 << 20;
    /// The greatest number of slots, 2^20: a million weights are 20 MB of JSON.
    pub const MAX_WIDTH: usize = 1 << 20;

    /// An artifact of a model's state, checked: a fit that ended in NaN is found here.
    pub fn new(model: &str, features: &str, width: usize, body: Body) -> Result<Artifact, ArtifactError> {
        let width = u32::try_from(width).unwrap_or(u32::MAX);
        let artifact = Artifact {
            format: Artifact::FORMAT,
            model: model.to_string(),
            features: features.to_string(),
            width,
            body,
        };
        artifact.check()?;
        Ok(artifact)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings always serialize")
    }

    /// Reads an artifact from bytes that anybody may have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Artifact, ArtifactError> {
        if bytes.len() > Artifact::MAX_BYTES {
            return Err(ArtifactError::TooLong { found: bytes.len() });
        }
        // The format alone first: another version's shape should be called that, and not malformed.
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } = serde_json::from_slice(bytes)?;
        if format != Artifact::FORMAT {
            return Err(ArtifactError::Format { found: format });
        }
        let artifact: Artifact = serde_json::from_slice(bytes)?;
        artifact.check()?;
        Ok(artifact)
    }

    /// Whether it is of this model and its task, and for vectors of these features.
    ///
    /// # Errors
    /// A sentence that says what it is of instead.
    pub fn suits(&self, (model, task): (&str, Task), features: &str, width: usize) -> Result<(), String> {
        if self.model != model {
            return Err(format!("it is an artifact of model `{}`, not of `{model}`", self.model));
        }
        if self.width as usize != width {
            return Err(format!("it is for vectors of {} slots, those of `{model}` have {width}", self.width));
        }
        if self.features != features {
            return Err(format!("it is for the feature schema {}, that of `{model}` is {features}", self.features));
        }
        let found = self.body.task();
        if found != task {
            let told = |task: Task| match task {
                Task::Multiclass(classes) => format!("{} of {classes} classes", task.word()),
                task => task.word().to_owned(),
            };
            return Err(format!("its task is {}, that of `{model}` is {}", told(found), told(task)));
        }
        Ok(())
    }

    /// The blake3 digest of an artifact's bytes, 64 hex digits.
    pub fn digest(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let name = |what, found: &str, allowed, good: bool| {
            let found = found.chars().take(80).collect();
            if good { Ok(()) } else { Err(ArtifactError::Name { what, found, allowed }) }
        };
        let (model, features) = (self.model.as_bytes(), self.features.as_bytes());
        name("model", &self.model, "a name of 1 to 200 bytes", (1..=200).contains(&model.len()))?;
        let hex = (1..=64).contains(&features.len()) && features.iter().all(u8::is_ascii_hexdigit);
        name("features", &self.features, "a digest of 1 to 64 hex digits", hex)?;
        if self.width as usize > Artifact::MAX_WIDTH {
            return Err(ArtifactError::Width { found: self.width });
        }
        self.body.check(self.width as usize)
    }
}

/// One arm a kind: `model` is what the body holds.
macro_rules! each {
    ($body:expr, $model:ident => $do:expr) => {
        match $body {
            Body::Logistic($model) => $do,
            Body::Softmax($model) => $do,
            Body::Linear($model) => $do,
            Body::Ridge($model) => $do,
            Body::GaussianNb($model) => $do,
            Body::OnlineGaussianNb($model) => $do,
            Body::MultinomialNb($model) => $do,
            Body::PassiveAggressive($model) => $do,
            Body::Alma($model) => $do,
            Body::NearestNeighbors($model) => $do,
            Body::BoostedTrees($model) => $do,
            Body::VotingTrees($model) => $do,
            Body::HoeffdingTree($model) => $do,
            Body::HoeffdingAdaptiveTree($model) => $do,
            Body::AdaptiveRandomForest($model) => $do,
            Body::LeveragingBagging($model) => $do,
            Body::StreamingRandomPatches($model) => $do,
            Body::RegressionTree($model) => $do,
            Body::RegressionForest($model) => $do,
            Body::Majority($model) => $do,
            Body::NoChange($model) => $do,
        }
    };
}

impl Body {
    /// The kind, as it stands in the artifact and on model cards.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Logistic(_) => "logistic",
            Body::Softmax(_) => "softmax",
            Body::Linear(_) => "linear",
            Body::Ridge(_) => "ridge",
            Body::GaussianNb(_) => "gaussian_nb",
            Body::OnlineGaussianNb(_) => "online_gaussian_nb",
            Body::MultinomialNb(_) => "multinomial_nb",
            Body::PassiveAggressive(_) => "passive_aggressive",
            Body::Alma(_) => "alma",
            Body::NearestNeighbors(_) => "nearest_neighbors",
            Body::BoostedTrees(_) => "boosted_trees",
            Body::VotingTrees(_) => "voting_trees",
            Body::HoeffdingTree(_) => "hoeffding_tree",
            Body::HoeffdingAdaptiveTree(_) => "hoeffding_adaptive_tree",
            Body::AdaptiveRandomForest(_) => "adaptive_random_forest",
            Body::LeveragingBagging(_) => "leveraging_bagging",
            Body::StreamingRandomPatches(_) => "streaming_random_patches",
            Body::RegressionTree(_) => "regression_tree",
            Body::RegressionForest(_) => "regression_forest",
            Body::Majority(_) => "majority",
            Body::NoChange(_) => "no_change",
        }
    }

    /// What it can be asked.
    pub fn task(&self) -> Task {
        let of_classes = |classes: usize| match classes {
            2 => Task::Binary,
            classes => Task::Multiclass(classes as u16),
        };
        match self {
            Body::Logistic(_) | Body::Alma(_) => Task::Binary,
            Body::Linear(_) | Body::Ridge(_) => Task::Regression,
            Body::RegressionTree(_) | Body::RegressionForest(_) => Task::Regression,
            Body::Softmax(model) => of_classes(model.classes()),
            Body::GaussianNb(model) => of_classes(model.classes.len()),
            Body::OnlineGaussianNb(model) => of_classes(model.classes()),
            Body::MultinomialNb(model) => of_classes(model.classes()),
            Body::PassiveAggressive(model) => model.task(),
            Body::NearestNeighbors(model) => model.task(),
            Body::BoostedTrees(model) => model.task,
            Body::VotingTrees(model) => model.task,
            Body::HoeffdingTree(model) => model.task(),
            Body::HoeffdingAdaptiveTree(model) => model.task(),
            Body::AdaptiveRandomForest(model) => model.task(),
            Body::LeveragingBagging(model) => model.task(),
            Body::StreamingRandomPatches(model) => model.task(),
            Body::Majority(model) => model.task(),
            Body::NoChange(model) => model.task(),
        }
    }

    /// What it says of a vector.
    pub fn predict(&self, x: &Vector) -> Prediction {
        each!(self, model => model.predict(x))
    }

    /// The labels or examples learned.
    pub fn updates(&self) -> u64 {
        each!(self, model => model.updates())
    }

    /// A learner that goes on from this state; `None` if the kind only predicts.
    pub fn learner(self) -> Option<Box<dyn Learner>> {
        Some(match self {
            Body::GaussianNb(_) | Body::BoostedTrees(_) | Body::VotingTrees(_) => return None,
            Body::Logistic(model) => Box::new(model),
            Body::Softmax(model) => Box::new(model),
            Body::Linear(model) => Box::new(model),
            Body::Ridge(model) => Box::new(model),
            Body::OnlineGaussianNb(model) => Box::new(model),
            Body::MultinomialNb(model) => Box::new(model),
            Body::PassiveAggressive(model) => Box::new(model),
            Body::Alma(model) => Box::new(model),
            Body::NearestNeighbors(model) => Box::new(model),
            Body::HoeffdingTree(model) => Box::new(model),
            Body::HoeffdingAdaptiveTree(model) => Box::new(model),
            Body::AdaptiveRandomForest(model) => Box::new(model),
            Body::LeveragingBagging(model) => Box::new(model),
            Body::StreamingRandomPatches(model) => Box::new(model),
            Body::RegressionTree(model) => Box::new(model),
            Body::RegressionForest(model) => Box::new(model),
            Body::Majority(model) => Box::new(model),
            Body::NoChange(model) => Box::new(model),
        })
    }

    /// The ensemble that goes on from this state; `None` if it is none whose members may live apart.
    pub fn ensemble(self) -> Option<Box<dyn Ensemble>> {
        Some(match self {
            Body::AdaptiveRandomForest(model) => Box::new(model),
            Body::StreamingRandomPatches(model) => Box::new(model),
            Body::RegressionForest(model) => Box::new(model),
            _ => return None,
        })
    }

    fn check(&self, width: usize) -> Result<(), ArtifactError> {
        match self {
            Body::NoChange(_) => Ok(()),
            Body::Majority(model) => model.check(),
            Body::RegressionTree(model) => model.check(width),
            Body::RegressionForest(model) => model.check(width),
            Body::Logistic(model) => model.check(width),
            Body::Softmax(model) => model.check(width),
            Body::Linear(model) => model.check(width),
            Body::Ridge(model) => model.check(width),
            Body::GaussianNb(model) => model.check(width),
            Body::OnlineGaussianNb(model) => model.check(width),
            Body::MultinomialNb(model) => model.check(width),
            Body::PassiveAggressive(model) => model.check(width),
            Body::Alma(model) => model.check(width),
            Body::NearestNeighbors(model) => model.check(width),
            Body::BoostedTrees(model) => model.check(width),
            Body::VotingTrees(model) => model.check(width),
            Body::HoeffdingTree(model) => model.check(width),
            Body::HoeffdingAdaptiveTree(model) => model.check(width),
            Body::AdaptiveRandomForest(model) => model.check(width),
            Body::LeveragingBagging(model) => model.check(width),
            Body::StreamingRandomPatches(model) => model.check(width),
        }
    }
}

/// Refuses a list whose length is not the width.
pub(super) fn length(what: &'static str, found: usize, width: usize) -> Result<(), ArtifactError> {
    if found == width { Ok(()) } else { Err(ArtifactError::Length { what, found, width }) }
}

/// Refuses NaN and infinities in a list.
pub(super) fn finite(what: &'static str, list: &[f64]) -> Result<(), ArtifactError> {
    match list.iter().position(|x| !x.is_finite()) {
        Some(slot) => Err(ArtifactError::NotFinite { what, slot, found: list[slot] }),
        None => Ok(()),
    }
}

/// Refuses a number that is not finite or out of its range.
pub(super) fn within(what: &'static str, found: f64, allowed: &'static str, good: bool) -> Result<(), ArtifactError> {
    if found.is_finite() && good { Ok(()) } else { Err(ArtifactError::Range { what, found, allowed }) }
}

/// Reads a list of numbers, and stops reading where it gets longer than any model may be.
pub(super) fn slots<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<f64>, D::Error> {
    struct Slots;
    impl<'de> Visitor<'de> for Slots {
        type Value = Vec<f64>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {} numbers", Artifact::MAX_WIDTH)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<f64>, A::Error> {
            let mut numbers = Vec::new();
            while let Some(number) = list.next_element()? {
                if numbers.len() == Artifact::MAX_WIDTH {
                    return Err(serde::de::Error::invalid_length(numbers.len() + 1, &self));
                }
                numbers.push(number);
            }
            Ok(numbers)
        }
    }
    source.deserialize_seq(Slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClassStatistics;

    fn refusal(text: &str) -> String {
        Artifact::from_bytes(text.as_bytes()).expect_err("it is refused").to_string()
    }

    fn logistic(width: u32, weights: &str) -> String {
        let state = format!(
            r#"{{"optimizer":{{"sgd":{{"learning_rate":0.01}}}},"l2":0.0,"updates":7,"bias":0.5,"weights":{weights}}}"#
        );
        let head = format!(r#""format":1,"model":"m","features":"0a","width":{width}"#);
        format!(r#"{{{head},"body":{{"logistic":{state}}}}}"#)
    }

    #[test]
    fn bytes_are_canonical() {
        let text = logistic(3, "[0.1,-0.0,1e-300]");
        let artifact = Artifact::from_bytes(text.as_bytes()).expect("it reads");
        assert_eq!(String::from_utf8(artifact.to_bytes()).expect("it is text"), text);
        assert_eq!(artifact.body.updates(), 7);
    }

    #[test]
    fn what_is_not_an_artifact_is_refused() {
        for (text, expected) in [
            ("", "malformed"),
            ("{", "malformed"),
            (r#"{"format":9,"shape":"new"}"#, "format 9"),
            (&logistic(2, "[1.0]"), "1 weights for 2 slots"),
            (&logistic(1, "[1e999]"), "out of range"),
            (&logistic(1, "[null]"), "invalid type"),
            (&logistic(1, "[1e200]"), "weight 1e200, allowed is between"),
            (&logistic(4_000_000_000, "[]"), "width 4000000000, allowed is at most 1048576"),
            (&logistic(1, "[1.0]").replace("0.01", "-1.0"), "learning_rate -1.0, allowed is above 0"),
            (&logistic(1, "[1.0]").replace("0a", "../etc"), "not a digest"),
            (&logistic(1, "[1.0]").replace("\"bias\"", "\"code\":1,\"bias\""), "unknown field `code`"),
            (&logistic(1, "[1.0]").replace("logistic", "pickle"), "unknown variant `pickle`"),
            (&logistic(1, "[1.0]").replace("\"m\"", "\"\""), "a name of 1 to 200 bytes"),
        ] {
            assert!(refusal(text).contains(expected), "{text} gives: {}", refusal(text));
        }
        let majority = r#"{"task":"binary","labels":[3],"values":{"count":0,"total":0}}"#;
        let majority =
            format!(r#"{{"format":1,"model":"m","features":"0a","width":0,"body":{{"majority":{majority}}}}}"#);
        assert!(refusal(&majority).contains("1 counts for 2 slots"));
        assert!(refusal(&"[".repeat(100_000)).contains("malformed"));
    }

    #[test]
    fn length_is_capped_before_and_while_parsing() {
        let text = logistic(1, &format!("[{}0]", "0,".repeat(Artifact::MAX_WIDTH + 10)));
        assert!(refusal(&text).contains("invalid length 1048577"));
        let found = Artifact::MAX_BYTES + 1;
        assert!(
            matches!(Artifact::from_bytes(&vec![b' '; found]), Err(ArtifactError::TooLong { found: f }) if f == found)
        );
    }

    #[test]
    fn a_fit_that_failed_is_found() {
        let class = |variance| ClassStatistics { prior: 0.5, means: vec![0.0], variances: vec![variance] };
        for (body, expected) in [
            (Body::Logistic(Logistic::fitted(vec![f64::NAN], 0.0, 1)), "NaN in weights at slot 0"),
            (Body::Logistic(Logistic::fitted(vec![0.0], f64::INFINITY, 1)), "bias inf"),
            (
                Body::GaussianNb(GaussianNb { classes: vec![class(1.0), class(0.0)], examples: 1 }),
                "variance 0.0, allowed is above 0",
            ),
        ] {
            let refused = Artifact::new("m", "0a", 1, body).expect_err("it is refused").to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
