//! The overall metrics of the predictions, as their labels come.

const BINS: usize = 4096;
const COARSE: usize = 10;

pub struct ScoreBoard {
    labelled: u64,
    /// By label, then by class.
    classes: [[u64; 2]; 2],
    log_loss: f64,
    brier: f64,
    /// Negatives and positives by score.
    bins: Vec<[u64; 2]>,
    coarse: [(f64, u64, u64); COARSE],
}

impl ScoreBoard {
    pub fn new() -> ScoreBoard {
        let coarse = [(0.0, 0, 0); COARSE];
        ScoreBoard { labelled: 0, classes: [[0; 2]; 2], log_loss: 0.0, brier: 0.0, bins: vec![[0; 2]; BINS], coarse }
    }

    pub fn label(&mut self, score: f64, label: bool) {
        let y = usize::from(label);
        self.labelled += 1;
        self.classes[y][usize::from(score > 0.5)] += 1;
        let clipped = score.clamp(1e-4, 1.0 - 1e-4);
        self.log_loss -= (if label { clipped } else { 1.0 - clipped }).ln();
        self.brier += (score - y as f64).powi(2);
        self.bins[((score * BINS as f64) as usize).min(BINS - 1)][y] += 1;
        let coarse = &mut self.coarse[((score * COARSE as f64) as usize).min(COARSE - 1)];
        coarse.0 += score;
        coarse.1 += y as u64;
        coarse.2 += 1;
    }

    /// The members of a JSON object.
    pub fn metrics(&self) -> String {
        let n = self.labelled as f64;
        let [[tn, fp], [r#fn, tp]] = self.classes.map(|c| c.map(|count| count as f64));
        let accuracy = (tp + tn) / n;
        let by_chance = ((tp + fp) * (tp + r#fn) + (tn + r#fn) * (tn + fp)) / (n * n);
        let (mut below, mut ordered) = (0.0, 0.0);
        for [negatives, positives] in self.bins.iter().map(|bin| bin.map(|count| count as f64)) {
            ordered += positives * (below + negatives / 2.0);
            below += negatives;
        }
        let ece: f64 = self.coarse.iter().map(|(scores, positives, _)| (scores - *positives as f64).abs()).sum();
        format!(
            "\"labelled\":{},\"log_loss\":{},\"roc_auc\":{},\"accuracy\":{accuracy},\"f1\":{},\"kappa\":{},\
             \"brier\":{},\"ece\":{}",
            self.labelled,
            self.log_loss / n,
            ordered / ((tp + r#fn) * (tn + fp)),
            2.0 * tp / (2.0 * tp + fp + r#fn),
            (accuracy - by_chance) / (1.0 - by_chance),
            self.brier / n,
            ece / n,
        )
    }
}
