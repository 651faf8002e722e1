//! The tables of `data/` are what its README says.

use sha2::{Digest, Sha256};
use wgpu_dropout_studies::data::{BREAST_CANCER, DIABETES, DIGITS, Data, Table};

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_files_are_those_of_the_readme() {
    let readme = include_str!("../../data/README.md");
    for (name, text) in [("digits", DIGITS), ("diabetes", DIABETES), ("breast_cancer", BREAST_CANCER)] {
        assert!(readme.contains(&format!("`{name}.csv`")), "{name}");
        assert!(readme.contains(&sha256(text)), "{name}.csv has the SHA-256 {}", sha256(text));
    }
}

/// Figures that are published with the tables, or that scikit-learn's copies have.
#[test]
fn the_tables_have_their_known_sizes_and_means() {
    let data = Data::read(None).unwrap();
    let mean = |table: &Table| (table.x.shape(), table.x.mean(), table.y.mean());
    let (shape, x, y) = mean(&data.digits);
    assert_eq!((shape, (x * 1e4).round(), (y * 1797.0).round()), ((1797, 64), 48_842.0, 8_070.0));
    let (shape, _, y) = mean(&data.regression);
    assert_eq!((shape, (y * 1e4).round()), ((442, 10), 1_521_335.0));
    assert!((data.regression.x.column(2).mean() - 26.375_8).abs() < 1e-4, "body mass index");
    let (shape, x, y) = mean(&data.breast_cancer);
    assert_eq!((shape, (x * 1e4).round(), (y * 569.0).round()), ((569, 30), 618_907.0, 357.0));
}

#[test]
fn standardised_columns_have_mean_0_and_variance_1() {
    let table = Data::read(None).unwrap().digits.standardised();
    for column in table.x.column_iter() {
        let constant = column.iter().all(|x| *x == 0.0);
        assert!(column.mean().abs() < 1e-12 && (constant || (column.variance() - 1.0).abs() < 1e-12));
    }
}

#[test]
fn what_is_no_table_is_refused() {
    for (text, words) in
        [("", "no data"), ("y,a\n", "no data"), ("y,a\n1,2,3", "line 2: 3 fields"), ("y,a\n1,x", "line 2")]
    {
        let error = Table::read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_folder_has_a_regression() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let error = || Table::of_folder(folder.path()).unwrap_err().to_string();
    assert!(error().contains("data.txt"), "{}", error());
    write("data.txt", "1 2 3\n4 5e0 6\n\n");
    assert!(error().contains("index_features.txt"), "{}", error());
    write("index_features.txt", "0.0e+00\n2\n");
    write("index_target.txt", "1\n");
    let table = Table::of_folder(folder.path()).unwrap();
    assert_eq!((table.x.as_slice(), table.y.as_slice()), (&[1.0, 4.0, 3.0, 6.0][..], &[2.0, 5.0][..]));
    write("index_target.txt", "3\n");
    assert!(error().contains("index_target.txt: there is no column 3"), "{}", error());
    write("index_target.txt", "0\n1\n");
    assert!(error().contains("2 columns, not 1"), "{}", error());
    write("data.txt", "1 2 x\n");
    assert!(error().contains("data.txt:1:"), "{}", error());
}
