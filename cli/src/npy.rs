//! The header of NumPy's `.npy` format, versions 1.0 to 3.0: magic, version, length, and a Python dictionary with the
//! keys `descr`, `fortran_order` and `shape`.
//!
//! Read strictly and without trust: nothing is allocated or multiplied because a file says so. (The crate npyz
//! multiplies the dimensions unchecked.) Specification: numpy.lib.format.

use std::{
    fmt,
    io::{self, Read},
};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// More than any array of plain numbers needs. NumPy itself refuses more than 10,000 bytes.
const LONGEST_HEADER: u32 = 65_535;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The dtype: `<f4`, or the text of a structured one.
    pub descr: String,
    pub fortran_order: bool,
    pub shape: Vec<u64>,
}

impl Header {
    pub fn new(descr: &str, shape: &[u64]) -> Self {
        Self { descr: descr.to_owned(), fortran_order: false, shape: shape.to_owned() }
    }

    /// Reads up to the first byte of data. Returns the bytes read too. The error is the problem, without the file.
    pub fn read(reader: &mut impl Read) -> Result<(Self, u64), String> {
        let mut start = [0; 8];
        let found = read_full(reader, &mut start).map_err(|error| format!("it cannot be read: {error}"))?;
        if found == 0 {
            return Err("it is empty: give an .npy file, as numpy.save writes it".to_owned());
        }
        if start.starts_with(b"PK\x03\x04") {
            return Err("it is an .npz archive: save the array alone, with numpy.save".to_owned());
        }
        if &start[..6] != MAGIC {
            return Err(
                "it is not an .npy file (those begin with \\x93NUMPY): save the array with numpy.save".to_owned()
            );
        }
        let length_bytes = match start[6..] {
            [1, 0] => 2,
            [2 | 3, 0] => 4,
            _ if found < 8 => return Err(ends_in_header()),
            [major, minor] => {
                return Err(format!(
                    "it has .npy format version {major}.{minor}: versions 1.0, 2.0 and 3.0 are known; save it again \
                     with numpy.save"
                ));
            }
            _ => return Err(ends_in_header()),
        };
        let mut length = [0; 4];
        fill(reader, &mut length[..length_bytes])?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(format!(
                "its header claims {length} bytes, more than {LONGEST_HEADER}: the file is damaged, or not an array \
                 of plain numbers"
            ));
        }
        let mut text = vec![0; length as usize];
        fill(reader, &mut text)?;
        let header =
            Parser { text: &text, at: 0 }.header().map_err(|problem| format!("its header is damaged: {problem}"))?;
        Ok((header, 8 + length_bytes as u64 + u64::from(length)))
    }

    /// The number of elements; None when it is past 2⁶⁴ − 1.
    pub fn elements(&self) -> Option<u64> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size))
    }

    /// As Python writes the shape.
    pub fn shape_text(&self) -> String {
        match self.shape.as_slice() {
            [one] => format!("({one},)"),
            shape => format!("({})", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The bytes of the header of a plain dtype, padded so that the data begins at a multiple of 64.
impl From<&Header> for Vec<u8> {
    fn from(header: &Header) -> Self {
        let text = header.to_string();
        // Version 1.0 where its 16-bit length is enough.
        let before = if text.len() < 65_000 { 10 } else { 12 };
        let length = (before + text.len() + 1).next_multiple_of(64) - before;
        let mut bytes = MAGIC.to_vec();
        if before == 10 {
            bytes.extend([1, 0]);
            bytes.extend((length as u16).to_le_bytes());
        } else {
            bytes.extend([2, 0]);
            bytes.extend((length as u32).to_le_bytes());
        }
        bytes.extend(text.as_bytes());
        bytes.resize(before + length - 1, b' ');
        bytes.push(b'\n');
        bytes
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.fortran_order { "True" } else { "False" };
        write!(f, "{{'descr': '{}', 'fortran_order': {order}, 'shape': {}, }}", self.descr, self.shape_text())
    }
}

/// Reads until `buffer` is full or the end comes; returns how much was read.
pub fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), String> {
    match read_full(reader, buffer) {
        Ok(read) if read == buffer.len() => Ok(()),
        Ok(_) => Err(ends_in_header()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn ends_in_header() -> String {
    "it ends inside its header: the file was cut off; save it again".to_owned()
}

/// Reads the dictionary. Without recursion, so that no nesting can exhaust the stack.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn header(mut self) -> Result<Header, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.take(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            let repeated = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                other => return Err(format!("unknown key '{}'", printable(other))),
            };
            if repeated {
                return Err(format!("the key '{key}' comes twice"));
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.unexpected("nothing more"));
        }
        let missing = |key: &str| format!("the key '{key}' is missing");
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    /// A string, or the text of a list as structured dtypes have it.
    fn descr(&mut self) -> Result<String, String> {
        self.skip_space();
        if self.text.get(self.at) != Some(&b'[') {
            return self.string();
        }
        let (start, mut depth) = (self.at, 0);
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b'\'' | b'"' => {
                    self.string()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(String::from_utf8_lossy(&self.text[start..self.at]).into_owned());
            }
        }
        Err("the list of 'descr' does not end".to_owned())
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<u64>, String> {
        let mut shape = vec![];
        self.expect(b'(')?;
        while !self.take(b')') {
            shape.push(self.dimension()?);
            if !self.take(b',') {
                // In Python (3) is a number and (3,) a tuple.
                if shape.len() == 1 {
                    return Err(self.unexpected("','"));
                }
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn dimension(&mut self) -> Result<u64, String> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.unexpected("a dimension (a number that is not negative)"));
        }
        let text = String::from_utf8_lossy(&self.text[self.at..self.at + digits]).into_owned();
        self.at += digits;
        // Python 2 wrote long integers with an L.
        self.take(b'L');
        text.parse().map_err(|_| format!("the dimension {} is more than 2^64 - 1", printable(&text)))
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = match self.rest().first() {
            Some(&quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.unexpected("a string")),
        };
        let start = self.at + 1;
        let mut end = start;
        loop {
            match self.text.get(end) {
                None => return Err("a string does not end".to_owned()),
                Some(&byte) if byte == quote => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        Ok(String::from_utf8_lossy(&self.text[start..end]).into_owned())
    }

    /// What follows the white space.
    fn rest(&mut self) -> &[u8] {
        self.skip_space();
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.text[self.at..].iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("'{}'", byte as char))) }
    }

    fn unexpected(&self, expected: &str) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = match rest {
            [] => "the end".to_owned(),
            rest => format!("'{}'", printable(&String::from_utf8_lossy(&rest[..rest.len().min(20)]))),
        };
        format!("expected {expected} at its byte {}, found {found}", self.at)
    }
}

/// For messages: without control characters, and short.
pub fn printable(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short.replace("\\'", "'").replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(Header, u64), String> {
        Header::read(&mut &bytes[..])
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [vec![], vec![0], vec![3], vec![2, 3, 4], vec![u64::MAX; 3], vec![1; 30_000]] {
            let header = Header::new("<f4", &shape);
            let bytes = Vec::from(&header);
            assert_eq!(bytes.len() % 64, 0, "{} dimensions", shape.len());
            match read(&bytes) {
                Ok((read, length)) => assert_eq!((read, length), (header, bytes.len() as u64)),
                Err(problem) => assert!(shape.len() == 30_000 && problem.contains("more than 65535"), "{problem}"),
            }
        }
    }

    /// Every byte of a header replaced by every value, and every way to cut it: an error or a header, never a panic.
    #[test]
    fn damage_does_no_harm() {
        let bytes = Vec::from(&Header::new("<f4", &[3, 4]));
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut to {cut}");
        }
        let mut read_anyway = 0;
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                read_anyway += usize::from(read(&damaged).is_ok_and(|(header, _)| header.elements().is_some()));
            }
        }
        // Other digits, other characters of the dtype, other white space.
        assert!((500..2000).contains(&read_anyway), "{read_anyway}");
    }

    #[test]
    fn products() {
        let elements = |shape: &[u64]| Header::new("<f4", shape).elements();
        assert_eq!(elements(&[]), Some(1));
        assert_eq!(elements(&[5, 0, u64::MAX, u64::MAX]), Some(0));
        assert_eq!(elements(&[u64::MAX, 1]), Some(u64::MAX));
        assert_eq!(elements(&[1 << 40, 1 << 40]), None);
    }
}
