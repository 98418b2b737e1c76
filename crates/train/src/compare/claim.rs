//! The chapter's first claim, asked of the runs: more layers make the *training* error of a plain network larger, and that of a
//! residual one not.

use plusx_model::zoo::{self, Shortcut, Spec, Unit};
use serde::Serialize;

use super::curve::{Curve, Spread, images, of};
use crate::error::TrainError;

/// Quantiles of Student's distribution, one-sided at 5 %, for 1, 2, 3, ... degrees of freedom; the last stands for all
/// above, where it is a little too strict.
const STUDENT: [f64; 9] = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833];

/// Two networks that differ in their number of layers only, and their training errors at the end.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Deeper {
    /// The one with fewer layers.
    pub shallow: String,
    /// The one with more.
    pub deep: String,
    /// Whether they have no shortcuts.
    pub plain: bool,
    /// Training error of the deep one less that of the shallow one, seed by seed.
    pub difference: Spread,
    /// Seeds for which the deep one's is larger.
    pub larger: usize,
    /// Seeds.
    pub seeds: usize,
    /// Training images that the errors of each run are of.
    pub images: u64,
    /// Whether the deep one's is larger beyond the spread of the seeds: by a paired one-sided t-test at 5 %. A single seed
    /// shows no spread, and tells nothing.
    pub worse: Option<bool>,
}

impl Deeper {
    fn of(shallow: &str, deep: &str, curves: &[Curve]) -> Result<Self, TrainError> {
        let error = |curve: &Curve| curve.last().train;
        let differences: Vec<f64> = of(deep, curves)
            .filter_map(|deep| {
                let twin = of(shallow, curves).find(|curve| curve.seed == deep.seed)?;
                Some(error(deep) - error(twin))
            })
            .collect();
        let difference = Spread::of(&differences);
        let seeds = differences.len();
        let limit = difference.sd.map(|sd| {
            let freedom = seeds.saturating_sub(1).clamp(1, STUDENT.len());
            STUDENT[freedom - 1] * sd / (seeds as f64).sqrt()
        });
        Ok(Self {
            shallow: shallow.into(),
            deep: deep.into(),
            plain: is_plain(zoo::find(deep)?),
            larger: differences.iter().filter(|difference| **difference > 0.0).count(),
            worse: limit.map(|limit| difference.mean > limit),
            difference,
            seeds,
            images: images(shallow, curves).train.min(images(deep, curves).train),
        })
    }

    /// A sentence.
    pub fn line(&self) -> String {
        let Self { shallow, deep, difference, larger, seeds, .. } = self;
        let difference = difference.percent(self.images);
        let difference =
            format!("its training error less that of {shallow} is {difference} percentage points");
        match self.worse {
            Some(true) => format!("{deep} trains worse: {difference}, above 0 in {larger} of {seeds} seeds"),
            Some(false) => format!(
                "{deep} does not train worse beyond the spread of the seeds: {difference}, above 0 in {larger} of {seeds} \
                 seeds"
            ),
            None => format!("nothing follows for {deep} from one seed, which shows no spread: {difference}"),
        }
    }
}

/// A plain pair and its residual twins.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Claim {
    /// Names of the shallow and the deep plain network.
    pub plain: [String; 2],
    /// Names of their twins with shortcuts.
    pub residual: [String; 2],
    /// Whether the deep plain network trains worse than the shallow one; of a single seed nothing is known.
    pub plain_is_worse: Option<bool>,
    /// Whether the deep residual network does.
    pub residual_is_worse: Option<bool>,
}

impl Claim {
    /// Whether the runs show what the chapter says; nothing if there was a single seed.
    pub fn holds(&self) -> Option<bool> {
        Some(self.plain_is_worse? && !self.residual_is_worse?)
    }

    /// A sentence.
    pub fn line(&self) -> String {
        let [plain, residual] = [&self.plain, &self.residual].map(|pair| pair.join(" to "));
        let (Some(holds), Some(plain_is_worse), Some(residual_is_worse)) =
            (self.holds(), self.plain_is_worse, self.residual_is_worse)
        else {
            return format!(
                "whether the chapter's claim shows here ({plain} without shortcuts, {residual} with them) one seed cannot \
                 tell: ask for --seeds 3"
            );
        };
        let did = |worse: bool| if worse { "made" } else { "did not make" };
        format!(
            "the chapter's claim {}: more layers {} the training error larger without shortcuts ({plain}), and {} it \
             larger with them ({residual})",
            if holds { "shows here" } else { "does not show here" },
            did(plain_is_worse),
            did(residual_is_worse),
        )
    }
}

/// Whether a network has no shortcuts.
pub(super) fn is_plain(spec: &Spec) -> bool {
    spec.unit == Unit::Basic(Shortcut::Missing)
}

/// For each family among the models, its shallowest and its deepest member, if there are two.
pub(super) fn deeper(models: &[String], curves: &[Curve]) -> Result<Vec<Deeper>, TrainError> {
    let specs: Vec<&Spec> = models.iter().map(|model| zoo::find(model)).collect::<Result<_, _>>()?;
    let mut pairs = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let kin = |other: &&&Spec| is_kin(spec, other);
        if specs[..index].iter().any(|other| is_kin(spec, other)) {
            continue;
        }
        let depth = |spec: &&&Spec| spec.stages.iter().sum::<usize>();
        let family = || specs.iter().filter(kin);
        let (Some(shallow), Some(deep)) = (family().min_by_key(depth), family().max_by_key(depth)) else {
            continue;
        };
        if depth(&shallow) < depth(&deep) {
            pairs.push(Deeper::of(shallow.name, deep.name, curves)?);
        }
    }
    Ok(pairs)
}

/// Whether two networks differ at most in the units of their stages, and in their names.
fn is_kin(a: &Spec, b: &Spec) -> bool {
    a.stages.len() == b.stages.len() && *a == Spec { name: a.name, stages: a.stages, ..*b }
}

/// Plain pairs and residual ones of the same depths.
pub(super) fn claims(pairs: &[Deeper]) -> Result<Vec<Claim>, TrainError> {
    let mut claims = Vec::new();
    for plain in pairs.iter().filter(|pair| pair.plain) {
        for residual in pairs.iter().filter(|pair| !pair.plain) {
            if are_twins(&plain.shallow, &residual.shallow)? && are_twins(&plain.deep, &residual.deep)? {
                claims.push(Claim {
                    plain: [plain.shallow.clone(), plain.deep.clone()],
                    residual: [residual.shallow.clone(), residual.deep.clone()],
                    plain_is_worse: plain.worse,
                    residual_is_worse: residual.worse,
                });
            }
        }
    }
    Ok(claims)
}

/// Whether two networks differ in their shortcuts only.
fn are_twins(plain: &str, residual: &str) -> Result<bool, TrainError> {
    let (plain, residual) = (zoo::find(plain)?, zoo::find(residual)?);
    let twin = Spec { name: plain.name, unit: plain.unit, names: plain.names, ..*residual };
    Ok(matches!(residual.unit, Unit::Basic(_)) && *plain == twin)
}

#[cfg(test)]
mod tests {
    use super::super::curve::CurvePoint;
    use super::*;
    use crate::answers::TrainTest;

    /// Runs that end with these training errors, a seed each.
    fn curves(models: &[(&str, &[f64])]) -> Vec<Curve> {
        let run = |model: &str, seed: usize, error: f64| Curve {
            model: model.into(),
            seed: seed as u32,
            points: vec![CurvePoint { step: 10, errors: TrainTest { train: error, test: 0.5 } }],
            images: TrainTest { train: 1000, test: 1000 },
        };
        models
            .iter()
            .flat_map(|(model, errors)| {
                errors.iter().enumerate().map(|(seed, &error)| run(model, seed, error))
            })
            .collect()
    }

    fn asked(models: &[(&str, &[f64])]) -> (Vec<Deeper>, Vec<Claim>) {
        let names: Vec<String> = models.iter().map(|(name, _)| (*name).to_owned()).collect();
        let pairs = deeper(&names, &curves(models)).unwrap();
        let claims = claims(&pairs).unwrap();
        (pairs, claims)
    }

    #[test]
    fn the_claim_needs_plain_worse_and_residual_not() {
        let plain20: (&str, &[f64]) = ("plain20", &[0.10, 0.11, 0.12]);
        let bad56: (&str, &[f64]) = ("plain56", &[0.20, 0.22, 0.21]);
        let resnet20: (&str, &[f64]) = ("resnet20", &[0.10, 0.11, 0.09]);
        let good56: (&str, &[f64]) = ("resnet56", &[0.09, 0.12, 0.08]);
        let (pairs, claims) = asked(&[plain20, bad56, resnet20, good56]);
        assert_eq!(pairs.len(), 2);
        assert_eq!((pairs[0].plain, pairs[0].worse, pairs[0].larger), (true, Some(true), 3));
        assert_eq!((pairs[1].plain, pairs[1].worse, pairs[1].larger), (false, Some(false), 1));
        assert!(
            claims[0].holds() == Some(true) && claims[0].line().contains("shows here"),
            "{}",
            claims[0].line()
        );
        assert!(pairs[0].line().starts_with("plain56 trains worse: "), "{}", pairs[0].line());

        let (_, claims) = asked(&[plain20, ("plain56", &[0.10, 0.11, 0.12]), resnet20, good56]);
        assert!(
            claims[0].holds() == Some(false) && claims[0].line().contains("does not show"),
            "{}",
            claims[0].line()
        );
        let (_, claims) = asked(&[plain20, bad56, resnet20, ("resnet56", &[0.20, 0.21, 0.19])]);
        assert_eq!(claims[0].holds(), Some(false));
    }

    #[test]
    fn noise_is_not_called_worse() {
        // differences 0.04, -0.01, 0.03: mean 0.02, t = 1.31 < 2.92
        let (pairs, _) = asked(&[("plain20", &[0.1, 0.1, 0.1]), ("plain44", &[0.14, 0.09, 0.13])]);
        assert_eq!((pairs[0].worse, pairs[0].larger), (Some(false), 2));
        assert!(pairs[0].line().contains("is 2.0 ± 2.6 percentage points"), "{}", pairs[0].line());
        // of one seed nothing is known about noise
        let (pairs, claims) =
            asked(&[("plain20", &[0.1]), ("plain44", &[0.14]), ("resnet20", &[0.1]), ("resnet44", &[0.1])]);
        assert_eq!((pairs[0].worse, pairs[0].difference.sd), (None, None));
        assert!(
            pairs[0].line().starts_with("nothing follows for plain44 from one seed"),
            "{}",
            pairs[0].line()
        );
        assert_eq!(claims[0].holds(), None);
        assert!(claims[0].line().contains("--seeds 3"), "{}", claims[0].line());
    }

    #[test]
    fn families_are_kept_apart() {
        let one: &[f64] = &[0.1];
        // the extremes of a family, whatever lies between and wherever they stand
        let (pairs, claims) = asked(&[
            ("resnet44", one),
            ("plain56", one),
            ("resnet20", one),
            ("resnet32", one),
            ("resnet56-b", one),
        ]);
        let names: Vec<_> = pairs.iter().map(|pair| (pair.shallow.as_str(), pair.deep.as_str())).collect();
        assert_eq!(names, [("resnet20", "resnet44")]);
        assert!(claims.is_empty());
        // those for large pictures are twins, too, though only one has torchvision's names
        let (_, claims) = asked(&[("plain18", one), ("plain34", one), ("resnet18", one), ("resnet34", one)]);
        assert_eq!(claims.len(), 1);
        // bottlenecks are no twins of two 3x3 convolutions; other depths neither
        let (_, claims) = asked(&[("plain20", one), ("plain56", one), ("resnet20", one), ("resnet44", one)]);
        assert!(claims.is_empty());
    }
}
