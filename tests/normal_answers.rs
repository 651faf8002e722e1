//! The published known answers of the normals, on the CPU reference.
//!
//! family_v1.json and normal_table_v1.txt were made by an implementation that shares no code with this one.

use serde::Deserialize;
use wgpu_dropout::{
    Error, Generator, Key,
    normal_table::{NORMAL_TABLE, NORMAL_TABLE_PACKED, NORMAL_TABLE_UNIFORM},
    reference::{NORMAL_DOMAIN, normal, normal_q21, normals, normals_q21, random_block},
};

/// 64-bit numbers are strings there.
#[derive(Deserialize)]
struct Answers {
    normal_of_word: Vec<OfWord>,
    normals: Vec<Stream>,
}

#[derive(Deserialize)]
struct OfWord {
    u: String,
    z_q21: i32,
}

#[derive(Deserialize)]
struct Stream {
    generator: String,
    seed: String,
    stream: String,
    start: String,
    z_q21: Vec<i32>,
}

fn answers() -> Answers {
    serde_json::from_str(include_str!("vectors/family_v1.json")).unwrap()
}

/// Indexes are 64 bits and blocks have four words, in which the sign is bit 31 alone.
const KEY: Key = Key::new(42).with_layer(3).with_sample(1).with_step(1000);

#[test]
fn the_table_is_the_published_one() {
    let published = include_str!("vectors/normal_table_v1.txt").lines().filter(|line| !line.starts_with('#'));
    let published: Vec<Vec<u32>> =
        published.map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect()).collect();
    assert_eq!(published, NORMAL_TABLE.map(Vec::from));
}

#[test]
fn the_packed_table_is_the_table() {
    assert_eq!(NORMAL_TABLE_UNIFORM, NORMAL_TABLE_PACKED.map(|[first, second]| [first, second, 0, 0]));
    for ([a, b, c], [first, second]) in NORMAL_TABLE.into_iter().zip(NORMAL_TABLE_PACKED) {
        assert!(a < 1 << 24 && b < 1 << 16 && c < 1 << 10, "{a} {b} {c}");
        assert_eq!([a, b, c], [first, second >> 16, second & 0xffff]);
        // What its documentation says may be had at once.
        for x in 0..=0xffff {
            let at_once = (second | 0xffff).checked_sub(x * (second & 0xffff)).unwrap() >> 16;
            assert_eq!(at_once, b - ((x * c) >> 16), "{b} {c} {x}");
        }
    }
}

#[test]
fn normals_of_words() {
    let answers = answers().normal_of_word;
    assert_eq!(answers.len(), 84);
    for OfWord { u, z_q21 } in answers {
        assert_eq!(normal_q21(u32::from_str_radix(&u, 16).unwrap()), z_q21, "{u}");
    }
}

#[test]
fn streams() {
    let answers = answers().normals;
    assert_eq!(answers.len(), 32);
    for answer in answers {
        let generator: Generator = answer.generator.parse().unwrap();
        let key = Key::new(answer.seed.parse().unwrap()).with_stream(answer.stream.parse().unwrap());
        let start: u64 = answer.start.parse().unwrap();
        let count = answer.z_q21.len() as u64;
        let place = format!("{generator} {key:?} start {start}");
        assert_eq!(normals_q21(generator, key, start, count).unwrap(), answer.z_q21, "{place}");
        let floats: Vec<f32> = answer.z_q21.iter().map(|&z| (f64::from(z) / 2_097_152.0) as f32).collect();
        assert_eq!(normals(generator, key, start, count).unwrap(), floats, "{place}");
        let one_by_one: Vec<f32> = (start..start + count).map(|index| normal(generator, key, index)).collect();
        assert_eq!(one_by_one, floats, "{place}");
    }
}

/// Any part of a stream is that part of the whole, wherever it starts in a block.
#[test]
fn parts_are_parts_of_the_whole() {
    for &generator in Generator::ALL {
        let base = (1 << 34) - 16;
        let whole = normals_q21(generator, KEY, base, 40).unwrap();
        for start in 0..40 {
            for end in start..=40 {
                let part = normals_q21(generator, KEY, base + start, end - start).unwrap();
                assert_eq!(part, whole[start as usize..end as usize], "{generator} {start}..{end}");
            }
        }
        let block = random_block(generator, KEY, base >> 2, 0, NORMAL_DOMAIN);
        assert_eq!(block.map(normal_q21), whole[..4]);
    }
}

#[test]
fn the_range_ends_without_wrapping() {
    for (generator, last) in [(Generator::Threefry, u64::MAX), (Generator::Philox, (1 << 58) - 1)] {
        assert_eq!(generator.normal_end(), u128::from(last) + 1);
        let tail = normals(generator, KEY, last - 6, 7).unwrap();
        assert_eq!(tail[6], normal(generator, KEY, last));
        for (start, count) in [(last - 6, 8), (last, 2), (last, u64::MAX), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            if u128::from(start) + u128::from(count) <= generator.normal_end() {
                continue;
            }
            let error = normals_q21(generator, KEY, start, count).unwrap_err();
            assert!(matches!(error, Error::IndexRange { .. }), "{error}");
            assert!(error.to_string().contains(&start.to_string()), "{error}");
        }
        assert!(normals(generator, KEY, last, 0).unwrap().is_empty());
    }
}

/// A count that no host has room for is an error, not an abort.
#[test]
fn too_many_for_the_host() {
    let error = normals(Generator::Threefry, KEY, 0, u64::MAX).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
}
