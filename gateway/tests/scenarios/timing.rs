//! How long a refusal takes tells nothing about the secret.
//!
//! After dudect: two kinds of guesses in random order, and Welch's t-test on how
//! long they took. It needs a quiet machine and a minute, so it runs when it is
//! asked for: `cargo test --release -p integration-gateway --test scenarios
//! timing -- --ignored --nocapture`.

use crate::proving::signed;
use crate::scene::*;
use integration_gateway::Incoming;
use std::env;
use std::hint::black_box;
use std::time::Instant;

/// Above it, dudect speaks of a leak.
const SUSPICIOUS: f64 = 4.5;

/// Mean and variance, as they come in.
#[derive(Default)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Welch's t of the times that two guesses take; those that the machine had a
/// hand in, the slowest tenth, are left out.
async fn t(first: &Incoming, second: &Incoming) -> f64 {
    let scene = Scene::new();
    let samples: usize = env::var("TIMING_SAMPLES").map_or(1_000_000, |n| n.parse().unwrap());
    let mut random = 1_u64;
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let is_first = random >> 63 == 0;
        let guess = if is_first { first } else { second }.clone();
        let begin = Instant::now();
        let answer = black_box(scene.receive(black_box(guess)).await);
        times.push((begin.elapsed().as_nanos() as f64, is_first));
        assert_eq!(answer.status, 401);
    }
    let mut sorted: Vec<f64> = times.iter().map(|(time, _)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let slowest = sorted[samples * 9 / 10];
    let mut samples = [Sample::default(), Sample::default()];
    for (time, is_first) in times.into_iter().filter(|(time, _)| *time < slowest) {
        samples[usize::from(is_first)].add(time);
    }
    let [a, b] = samples;
    (a.mean - b.mean) / (a.variance_of_mean() + b.variance_of_mean()).sqrt()
}

#[tokio::test]
#[ignore = "a measurement, which other programs on the machine disturb"]
#[allow(clippy::print_stdout, reason = "the figures are what it is run for")]
async fn a_guess_that_is_almost_right_takes_no_other_time() {
    let bearer = |token: &str| webhook(&[("authorization", &format!("Bearer {token}"))]);
    // The same length: `HOOK_NEW` is the secret.
    let almost = bearer("HOOK_NEx");
    let wrong = bearer("xxxxxxxx");
    let genuine = signed("1", NOW, "SIGN_NEW");
    let with_signature = |change: fn(&mut String)| {
        let mut forged = genuine.clone();
        let signature = forged
            .headers
            .iter_mut()
            .find(|(n, _)| n == "webhook-signature");
        change(&mut signature.unwrap().1);
        forged
    };
    let first_byte = with_signature(|s| {
        let other = if s.as_bytes()[3] == b'A' { "B" } else { "A" };
        s.replace_range(3..4, other);
    });
    let last_byte = with_signature(|s| {
        let at = s.len() - 3;
        let other = if s.as_bytes()[at] == b'A' { "B" } else { "A" };
        s.replace_range(at..=at, other);
    });
    for (what, first, second) in [
        ("token", &almost, &wrong),
        ("signature", &first_byte, &last_byte),
    ] {
        let t = t(first, second).await;
        println!("{what}: t = {t:.2}");
        assert!(t.abs() < SUSPICIOUS, "{what}: t = {t}");
    }
}
