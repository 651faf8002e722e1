//! Numbers as people read them.

/// A number with so many significant digits: 0.1235, 1,797, 3.1·10⁻⁷.
pub fn digits(value: f64, count: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "not a number".into()
        } else {
            format!("{}∞", if value < 0.0 { "−" } else { "" })
        };
    }
    // Rounded first, so that 9.996 with three digits is 10.0.
    let scientific = format!("{value:.*e}", count.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let text = if value == 0.0 {
        "0".into()
    } else if (-4..6).contains(&exponent) {
        let decimals = (count as i32 - 1 - exponent).max(0) as usize;
        format!("{value:.decimals$}")
    } else if mantissa.trim_start_matches('-') == "1" {
        format!("{}10{}", if value < 0.0 { "-" } else { "" }, superscript(exponent))
    } else {
        format!("{mantissa}·10{}", superscript(exponent))
    };
    text.replace('-', "−")
}

/// 115008 as 115,008.
pub fn grouped(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1000),
    }
}

/// −7 as ⁻⁷.
pub fn superscript(number: i32) -> String {
    let raise = |character: char| match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    };
    number.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        for (value, count, text) in [
            (0.123_456, 4, "0.1235"),
            (9.996, 3, "10.0"),
            (-1234.5, 2, "−1234"),
            (3.14e-7, 2, "3.1·10⁻⁷"),
            (1e-6, 1, "10⁻⁶"),
            (-1e-6, 1, "−10⁻⁶"),
            (2.5e12, 2, "2.5·10¹²"),
            (0.0, 3, "0"),
            (f64::NEG_INFINITY, 3, "−∞"),
            (f64::NAN, 3, "not a number"),
        ] {
            assert_eq!(digits(value, count), text);
        }
        assert_eq!(grouped(115_008), "115,008");
        assert_eq!(grouped(12), "12");
    }
}
