//! Monte Carlo dropout in regression: Gal's public experiment.

use crate::{
    Axis, Check, Error, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, difference, interval},
};

pub const STUDY: Study = Study {
    name: "regression",
    title: "Regression with a likelihood",
    claim: "The mean of Monte Carlo samples predicts at least as well as the pass without dropout, in error and in likelihood. The samples \
            are a predictive distribution, which a single number is not.",
    source: "Gal, Ghahramani, ICML 2016, §5.2, and its public code",
    formula: r"\text{LL} = \log \frac{1}{T} \sum_t e^{-\frac{\tau}{2}(y - \hat{y}_t)^2} - \tfrac{1}{2} \log 2\pi + \tfrac{1}{2} \log \tau,
               \qquad \lambda = \frac{\ell^2 q}{2 N \tau}",
    measurement: "The diabetes data in 40 random splits of nine to one, 30 in a quick run, a network of 50 ReLUs for each, all trained at once: dropout before both \
                  layers (p = 0.05), Adam, batches of 128, everything standardised, weight decay λ with ℓ² = 10⁻⁴. τ is 2 ÷ the variance of \
                  the target. The splits share data, so the intervals are narrower than those of as many data sets would be.",
    fault: "one mask for all samples",
    run,
};

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let trained = Trained::new(lab, "regression")?;
    let family = Family::of(3);
    let better = trained.difference("RMSE, one pass", "RMSE, Monte Carlo")?;
    let likelier = trained.difference("LL, Monte Carlo", "LL, one pass")?;
    // As a factor: what is hard in a split is hard for both.
    let log =
        |name: &str| -> Result<Vec<f64>, Error> { Ok(trained.list(name)?.iter().map(|error| error.ln()).collect()) };
    let learnt = difference(&log("RMSE, the mean")?, &log("RMSE, Monte Carlo")?);
    let checks = vec![
        Check::above("log of the mean target’s RMSE ÷ Monte Carlo’s", learnt, 0.0, family),
        Check::above("RMSE of one pass − Monte Carlo’s: no worse than by 1.5", better, -1.5, family),
        Check::above("LL of Monte Carlo − that of one pass: no worse than by 0.06", likelier, -0.06, family),
    ];
    let mut table = Table::new("Means over splits", &["", "RMSE", "interval", "LL", "interval"]);
    for (name, words) in [("Monte Carlo", "Monte Carlo"), ("one pass", "one pass without dropout")] {
        let (rmse, ll) = (trained.mean(&format!("RMSE, {name}"))?, trained.mean(&format!("LL, {name}"))?);
        table.row([
            words.to_owned(),
            digits(rmse.value, 4),
            interval(&rmse, family, 1.0),
            digits(ll.value, 4),
            interval(&ll, family, 1.0),
        ]);
    }
    let mut splits = Table::new("Each split", &["split", "RMSE", "LL", "RMSE, one pass", "LL, one pass"]);
    let columns =
        ["RMSE, Monte Carlo", "LL, Monte Carlo", "RMSE, one pass", "LL, one pass"].map(|name| trained.list(name));
    let [rmse, ll, one_rmse, one_ll] = columns;
    let columns = [rmse?, ll?, one_rmse?, one_ll?];
    for split in 0..columns[0].len() {
        splits.row([split.to_string()].into_iter().chain(columns.iter().map(|column| digits(column[split], 4))));
    }
    let mean = |name: &str| -> Result<f64, Error> { Ok(trained.mean(name)?.value) };
    let verdict = format!(
        "RMSE {} by Monte Carlo and {} in one pass, log-likelihood {} and {}: {}.",
        digits(mean("RMSE, Monte Carlo")?, 4),
        digits(mean("RMSE, one pass")?, 4),
        digits(mean("LL, Monte Carlo")?, 4),
        digits(mean("LL, one pass")?, 4),
        match checks.iter().all(|check| check.holds) {
            true if family.interval(&better).0 > 0.0 => "better",
            true => "as good, and not clearly better",
            false => "not as good",
        },
    );
    let remarks = vec![
        "The published gains are of other data, with rates and precisions chosen on a grid. Run the experiment on a folder in its public \
         layout, with data.txt, index_features.txt, index_target.txt, index_train_K.txt and index_test_K.txt: \
         scripts/study.sh regression 1 FOLDER --p 0.05 --tau 0.1 --epochs 400 --splits 20 --samples 10000."
            .into(),
        "The log-likelihood of Gal’s experiment has the noise τ in it in any case; the width of the samples adds to it where the network is \
         uncertain. At p = 0.05 that is little, which is why one pass does as well."
            .into(),
    ];
    Ok(Findings { verdict, checks, tables: vec![table, splits], figures: vec![pairs(&columns)?], remarks })
}

fn pairs(columns: &[&[f64]; 4]) -> Result<Figure, Error> {
    let [sampled, _, single, _] = columns;
    let all = || sampled.iter().chain(*single);
    let (low, high) = (all().copied().fold(f64::INFINITY, f64::min) - 1.0, all().copied().fold(0.0, f64::max) + 1.0);
    let mut plot = Plot::new(Axis::new("RMSE of one pass", low, high), Axis::new("RMSE of Monte Carlo", low, high));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    plot.points(single.iter().copied().zip(sampled.iter().copied()), Tone::First, Mark::Dot);
    plot.label(low + 0.03 * (high - low), high - 0.07 * (high - low), "thin: equal", Tone::Soft, Side::Right);
    plot.figure("A point for each split of the diabetes data: below the line Monte Carlo is better.")
}
