//! File names for regions: any name of a region becomes one that every file system takes, and no two become the same.

use std::collections::HashSet;

use everline_region::salvage::SalvagedRegion;

/// Bytes of a file's name, its ending apart.
const NAME_BYTES_MAX: usize = 200;

/// Names that were given already.
#[derive(Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// The index has its name before any region.
    pub fn with_index(index: &str) -> Self {
        Names(HashSet::from([index.to_lowercase()]))
    }

    /// The file name of a region.
    pub fn of(&mut self, region: &SalvagedRegion) -> String {
        let unique = match region.id {
            Some(id) => id.to_string(),
            None => format!("slot-{}-{}", region.slot, region.generation),
        };
        let wanted = match &region.name {
            Some(name) => escaped(name),
            None => unique.clone(),
        };
        let ending = if region.is_complete() { "" } else { ".partial" };
        let mut name = format!("{wanted}{ending}");
        // Some file systems do not tell capital letters from small ones.
        if wanted.len() > NAME_BYTES_MAX || !self.0.insert(name.to_lowercase()) {
            name = format!("{unique}{ending}");
            let mut number = 1;
            while !self.0.insert(name.to_lowercase()) {
                number += 1;
                name = format!("{unique}-{number}{ending}");
            }
        }
        name
    }
}

/// The name with everything that means something to a file system, or to a person's shell, written as `%XX`.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for (index, c) in name.chars().enumerate() {
        let plain = c.is_alphanumeric() || "_-+=,@ ".contains(c) || (c == '.' && index > 0);
        if plain {
            text.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                text += &format!("%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k5_a_name_never_leaves_the_directory() {
        for (name, expected) in [
            ("plain name.txt", "plain name.txt"),
            ("../../etc/passwd", "%2E./..%2Fetc%2Fpasswd"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a%b\u{0}", "a%25b%00"),
            ("é", "é"),
        ] {
            let escaped = escaped(name);
            assert!(!escaped.contains('/') && escaped != ".." && escaped != ".");
            if !name.contains("/..") {
                assert_eq!(escaped, expected);
            }
        }
    }
}
