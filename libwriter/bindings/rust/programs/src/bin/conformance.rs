//! The driver of tests/conformance in Rust: `conformance SEGMENT_PATH OPERATIONS_FILE` (tests/conformance/README.md).

use std::collections::HashMap;
use std::env;
use std::fs;
use std::process::ExitCode;
use std::str::FromStr;

use ringside::{Attach, Clock, Counter, CounterF64, Error, Gauge, Histogram, Level, Segment, SharedCounter};

enum Series {
    Counter(Counter),
    Shared(SharedCounter),
    CounterF64(CounterF64),
    Gauge(Gauge),
    Level(Level),
    Histogram(Histogram),
}

/// The value of what C writes as a hexadecimal double, `nan` or `inf`. None for anything else.
fn double(word: &str) -> Option<f64> {
    let (negative, size) = match word.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, word),
    };
    let value = match size {
        "nan" => f64::NAN,
        "inf" => f64::INFINITY,
        _ => hexadecimal(size.strip_prefix("0x")?)?,
    };
    Some(if negative { -value } else { value })
}

/// `H.HHHp[+-]D`
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok().filter(|m| *m <= 1 << 53)?;
    let exponent = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    // In two steps, as 2^exponent alone may lie outside the range where the product does not. Both are exact for what C
    // writes: the mantissa fits, and a subnormal result was written with no more bits than it has.
    let half = exponent / 2;
    Some(mantissa as f64 * power_of_two(half)? * power_of_two(exponent - half)?)
}

fn power_of_two(exponent: i32) -> Option<f64> {
    (-1022..=1023).contains(&exponent).then(|| f64::from_bits(((exponent + 1023) as u64) << 52))
}

struct Driver {
    segment: Segment,
    series: HashMap<String, Series>,
}

/// What is wrong with a line.
type Wrong = String;

fn number<N: FromStr>(word: &str) -> Result<N, Wrong> {
    word.parse().map_err(|_| format!("'{word}' is no number that fits"))
}

fn real(word: &str) -> Result<f64, Wrong> {
    double(word).ok_or_else(|| format!("'{word}' is no double in hexadecimal"))
}

impl Driver {
    fn handle(&self, name: &str) -> Result<&Series, Wrong> {
        self.series.get(name).ok_or_else(|| format!("there is no handle '{name}'"))
    }

    /// A registration that is refused leaves an empty handle.
    fn register(&mut self, kind: &str, name: &str, metric: &str, values: &[&str]) -> Result<(), Wrong> {
        fn given<H: Default>(registered: Result<H, Error>) -> H {
            registered.unwrap_or_default()
        }
        let segment = &self.segment;
        let series = match kind {
            "counter" => Series::Counter(given(segment.counter(metric, values))),
            "shared_counter" => Series::Shared(given(segment.shared_counter(metric, values))),
            "counter_f64" => Series::CounterF64(given(segment.counter_f64(metric, values))),
            "gauge" => Series::Gauge(given(segment.gauge(metric, values))),
            "level" => Series::Level(given(segment.level(metric, values))),
            _ => Series::Histogram(given(segment.histogram(metric, values))),
        };
        match self.series.insert(name.to_string(), series) {
            None => Ok(()),
            Some(_) => Err(format!("there is a handle '{name}' already")),
        }
    }

    fn record(&self, operation: &str, name: &str, word: &str) -> Result<(), Wrong> {
        match (operation, self.handle(name)?) {
            ("add", Series::Counter(counter)) => counter.add(number(word)?),
            ("add", Series::Shared(counter)) => counter.add(number(word)?),
            ("total", Series::Counter(counter)) => counter.total(number(word)?),
            ("baseline", Series::Counter(counter)) => counter.baseline(number(word)?),
            ("add_f64", Series::CounterF64(counter)) => counter.add(real(word)?),
            ("total_f64", Series::CounterF64(counter)) => counter.total(real(word)?),
            ("baseline_f64", Series::CounterF64(counter)) => counter.baseline(real(word)?),
            ("record", Series::Gauge(gauge)) => gauge.record(real(word)?),
            ("record", Series::Histogram(histogram)) => histogram.record(real(word)?),
            ("set", Series::Level(level)) => level.set(real(word)?),
            _ => return Err(format!("'{operation}' is not for a handle such as '{name}'")),
        }
        Ok(())
    }

    fn perform(&mut self, words: &[&str]) -> Result<(), Wrong> {
        match *words {
            ["schema", _] | ["clock", "tick"] => Ok(()),
            ["clock", mode] => Err(format!("'{mode}' is no mode of the clock for this: it is tick")),
            ["tick", now_ns] => {
                self.segment.tick(number(now_ns)?);
                Ok(())
            }
            [kind @ ("counter" | "shared_counter" | "counter_f64" | "gauge" | "level" | "histogram"), name, metric, ref values @ ..] => {
                self.register(kind, name, metric, values)
            }
            ["info", metric, ref values @ ..] => {
                let _refused = self.segment.info(metric, values);
                Ok(())
            }
            [operation
            @ ("add" | "total" | "baseline" | "add_f64" | "total_f64" | "baseline_f64" | "record" | "set"), name, word] => {
                self.record(operation, name, word)
            }
            [operation, ..] => Err(format!("'{operation}' is no operation, or has too few or too many words")),
            [] => Ok(()),
        }
    }
}

fn run(segment: &str, operations: &str) -> Result<(), String> {
    let text = fs::read_to_string(operations).map_err(|error| format!("{operations}: {error}"))?;
    let segment = Segment::attach(segment, &Attach::new().clock(Clock::Tick)).map_err(|error| error.to_string())?;
    let mut driver = Driver { segment, series: HashMap::new() };
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let here = |wrong: Wrong| format!("{operations}:{}: {wrong}", index + 1);
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if let ["close", code, text @ ..] = words.as_slice() {
            let code = number(code).map_err(here)?;
            if let Some((after, _)) =
                lines.find(|(_, line)| !line.split('#').next().unwrap_or_default().trim().is_empty())
            {
                return Err(format!("{operations}:{}: an operation after 'close'", after + 1));
            }
            driver.segment.close(code, &text.join(" "));
            return Ok(());
        }
        driver.perform(&words).map_err(here)?;
    }
    Err(format!("{operations}: there is no 'close' at its end"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let wrong = match arguments.as_slice() {
        [_, segment, operations] => match run(segment, operations) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(wrong) => wrong,
        },
        _ => "usage: conformance SEGMENT_PATH OPERATIONS_FILE".to_string(),
    };
    eprintln!("{wrong}");
    ExitCode::FAILURE
}
