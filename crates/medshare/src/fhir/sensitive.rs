//! What is specially protected, whatever its resource type: labels, codes and words.
//!
//! An entry is sensitive if anything in it, at any depth, matches one of:
//!
//! 1. **Labels**: a code of `SECURITY_LABELS` in a `security` list (FHIR `meta.security`,
//!    HL7 v3-Confidentiality and v3-ActCode, the set that DS4P and PCF name).
//! 2. **Codes**: SNOMED CT, ICD-10, ICD-9, LOINC and ATC codes of the tables below, for
//!    substance use, mental health, HIV, sexual and reproductive health, and violence.
//! 3. **Words**: of `WORDS` (beginnings of words, any case) and `EXACT_WORDS`, in
//!    displays, texts and narratives: records carry local codes, and drugs by name.
//!
//! This errs toward protection: "ST depression" is taken for a mood. It is no proof of
//! absence: words in other languages than English, German, French and Spanish, free text
//! that avoids them, and scanned documents pass. The hospital's own labels come first.

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// What was found in an entry.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Whether anything in it is specially protected.
    pub(super) sensitive: bool,
    /// Every `reference` in it.
    pub(super) references: Vec<String>,
}

/// Looks through a JSON text, repeated members and all. `None` if it cannot be read, or
/// is nested more than 127 deep.
pub(super) fn scan(text: &str) -> Option<Findings> {
    let mut findings = Findings::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = Scan {
        key: "",
        findings: &mut findings,
    };
    root.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(findings)
}

/// Whether a CDA document says of itself, or of a section, that it is restricted.
pub(super) fn restricted_document(bytes: &[u8]) -> bool {
    let tag: &[u8] = b"confidentialityCode";
    let mut rest = bytes;
    while let Some(at) = rest.windows(tag.len()).position(|window| window == tag) {
        rest = &rest[at + tag.len()..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'>')
            .unwrap_or(rest.len());
        let attributes = String::from_utf8_lossy(&rest[..end]);
        let packed: String = attributes
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| if c == '\'' { '"' } else { c })
            .collect();
        if packed.contains("code=\"R\"") || packed.contains("code=\"V\"") {
            return true;
        }
    }
    false
}

/// One value under the member name `key`.
struct Scan<'a> {
    key: &'a str,
    findings: &'a mut Findings,
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.key == "reference" {
            self.findings.references.push(text.to_owned());
        } else if !UNREAD.contains(&self.key) && has_word(text) {
            self.findings.sensitive = true;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { key, findings } = self;
        while list.next_element_seed(Scan { key, findings })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { key, findings } = self;
        let (mut systems, mut codes) = (Vec::new(), Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                // A string as a rule; anything else is looked through like the rest.
                "system" | "code" => {
                    let mut text = None;
                    map.next_value_seed(Either {
                        text: &mut text,
                        scan: Scan {
                            key: &name,
                            findings,
                        },
                    })?;
                    let list = if name == "system" {
                        &mut systems
                    } else {
                        &mut codes
                    };
                    list.extend(text);
                }
                _ => map.next_value_seed(Scan {
                    key: &name,
                    findings,
                })?,
            }
        }
        let label =
            key == "security" && codes.iter().any(|code| SECURITY_LABELS.contains(&&**code));
        let coded = || {
            let sensitive = |system| codes.iter().any(|code| is_sensitive_code(system, code));
            systems.iter().any(|system: &String| sensitive(system))
        };
        if label || coded() {
            findings.sensitive = true;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A value that is kept if it is a string, and scanned in any case.
struct Either<'a, 'b> {
    text: &'b mut Option<String>,
    scan: Scan<'a>,
}

impl<'de> DeserializeSeed<'de> for Either<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Either<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        *self.text = Some(text.to_owned());
        self.scan.visit_str(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.scan.visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.scan.visit_map(map)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn is_sensitive_code(system: &str, code: &str) -> bool {
    let system = system.to_ascii_lowercase();
    let begins = |table: &[&str]| {
        let code = code.to_ascii_uppercase();
        table.iter().any(|prefix| code.starts_with(prefix))
    };
    if system.contains("snomed") || system.ends_with("2.16.840.1.113883.6.96") {
        SNOMED.contains(&code)
    } else if system.contains("icd-10") || system.contains("icd10") {
        begins(ICD_10)
    } else if system.contains("icd-9") || system.contains("icd9") {
        begins(ICD_9)
    } else if system.contains("loinc") {
        LOINC.contains(&code)
    } else if system.contains("atc") {
        begins(ATC)
    } else {
        false
    }
}

/// Whether a text holds a word of the tables.
fn has_word(text: &str) -> bool {
    let lower = text.to_lowercase();
    let at_word_start = |text: &str, at: usize| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric())
    };
    let begins = WORDS.iter().any(|word| {
        lower
            .match_indices(word)
            .any(|(at, _)| at_word_start(&lower, at))
    });
    begins
        || EXACT_WORDS.iter().any(|word| {
            text.match_indices(word).any(|(at, _)| {
                let after = text[at + word.len()..].chars().next();
                at_word_start(text, at) && after.is_none_or(|c| !c.is_alphanumeric())
            })
        })
}

/// Members whose strings are no prose: names of things, and base64.
const UNREAD: &[&str] = &[
    "system",
    "url",
    "fullUrl",
    "id",
    "data",
    "profile",
    "hash",
    "contentType",
    "versionId",
];

/// HL7 v3-Confidentiality R and V, and sensitivity codes of v3-ActCode.
const SECURITY_LABELS: &[&str] = &[
    "R",
    "V", // restricted, very restricted
    "ETH",
    "ETHUD",
    "OPIOIDUD",
    "SUD",
    "42CFRPart2", // substance use
    "PSY",
    "PSYTHPN",
    "BH",
    "MH",
    "COGN",
    "DVD",
    "EMOTDIS", // mental health
    "HIV",
    "STD",
    "SEX",
    "PREGNANT",
    "SDV",
    "VIO",
    "MST", // sexuality, violence
    "GDIS",
    "SCA",
    "TBOO", // heredity, taboo
];

/// SNOMED CT concepts.
const SNOMED: &[&str] = &[
    // Substance use.
    "66590003",
    "7200002",
    "15167005",
    "191816009",
    "26416006",
    "55680006",
    "5602001",
    "75544000",
    "6525002",
    "361055000",
    "37344009",
    "85005007",
    "78267003",
    "31956009",
    // Mental health.
    "35489007",
    "370143000",
    "36923009",
    "66344007",
    "197480006",
    "48694002",
    "47505003",
    "13746004",
    "58214004",
    "69322001",
    "74732009",
    "6471006",
    "82313006",
    "371631005",
    "191736004",
    "72366004",
    "56882008",
    "78004001",
    "406506008",
    // HIV.
    "86406008",
    "62479008",
    "91947003",
    "165816005",
    // Sexual and reproductive health.
    "72892002",
    "77386006",
    "19169002",
    "17369002",
    "8098009",
    "76272004",
    "15628003",
    "105629000",
    "33839006",
    // Violence.
    "706893006",
];

/// Beginnings of ICD-10 codes, in the WHO, CM, GM and other national editions.
const ICD_10: &[&str] = &[
    "F", "R45.8", "R4585", "Z86.5", "Z91.5", "X6", "X7", "X80", "X81", "X82", "X83",
    "X84", // mind, self-harm
    "K70", "T40", "T51", "Z71.4", "Z71.5", "Z72.1", "Z72.2", "Z86.4", // substances
    "B20", "B21", "B22", "B23", "B24", "Z21", "Z20.6", "R75", // HIV
    "A5", "A60", "A61", "A62", "A63", "A64", "N96", "N97", "N46", "N52", "O", "Z3", "Z64.0",
    "Z72.5", // sexual and reproductive
    "T74", "T76", "Y05", "Y06", "Y07", "Z61.4", "Z61.5", "Z69", // violence
];

/// Beginnings of ICD-9-CM codes.
const ICD_9: &[&str] = &[
    "29", "300", "301", "302", "303", "304", "305.0", "305.2", "305.3", "305.4", "305.5", "305.6",
    "305.7", "305.8", "305.9", "306", "307", "308", "309", "31", // mind, substances
    "042", "V08", "079.53", "09", // HIV, sexually transmitted
    "63", "64", "65", "66", "67", "V22", "V23", "V24", "V25", "V26", "V27", // reproductive
    "965.0", "995.5", "995.8", "E95", // poisoning, abuse, self-harm
];

/// LOINC: HIV tests, pregnancy, and mental health, alcohol and drug questionnaires.
const LOINC: &[&str] = &[
    "75622-1", "56888-1", "7917-8", "7918-6", "20447-9", "25836-8", // HIV
    "2106-3", "2118-8", "82810-3", "11778-8", // pregnancy
    "44249-1", "44261-6", "55757-9", "55758-7", "69737-5", "70274-6", // PHQ, GAD
    "75626-2", "72109-2", "82667-7", // AUDIT-C, DAST-10
    "76690-7", "76691-5", // sexual orientation, gender identity
];

/// Beginnings of ATC codes: psychoactive, addiction, antiretroviral, contraceptive drugs.
const ATC: &[&str] = &[
    "N05A", "N06A", "N07B", "J05AR", "J05AF", "J05AJ", "J05AG", "G03A", "G02B",
];

/// Beginnings of words, lower case. Hyphens and spaces as written.
const WORDS: &[&str] = &[
    // Substance use.
    "opioid",
    "opiate",
    "overdos",
    "heroin",
    "cocain",
    "cannabis",
    "amphetamin",
    "alcohol",
    "alkohol",
    "alcoho",
    "alcool",
    "drug abuse",
    "drug addict",
    "drug depend",
    "drug misuse",
    "drug overdose",
    "drogen",
    "substance abuse",
    "substance use",
    "substance misuse",
    "addict",
    "sucht",
    "intoxicat",
    "detoxif",
    "methadon",
    "buprenorphin",
    "naltrexon",
    "disulfiram",
    "acamprosat",
    "naloxon",
    // Mental health.
    "depress",
    "dépress",
    "depresi",
    "anxiety",
    "angstst",
    "panic",
    "schizo",
    "bipolar",
    "psych",
    "mental health",
    "mental disorder",
    "suicid",
    "suizid",
    "self-harm",
    "self harm",
    "eating disorder",
    "anorexia nervosa",
    "bulimi",
    "post-traumatic stress",
    "posttraumatic stress",
    "obsessive",
    "attention deficit",
    "personality disorder",
    "electroconvulsive",
    "sertralin",
    "fluoxetin",
    "citalopram",
    "escitalopram",
    "paroxetin",
    "venlafaxin",
    "duloxetin",
    "bupropion",
    "mirtazapin",
    "olanzapin",
    "risperidon",
    "quetiapin",
    "aripiprazol",
    "haloperidol",
    "clozapin",
    "lithium",
    // HIV.
    "human immunodeficiency",
    "immunodeficiency virus",
    "antiretroviral",
    "emtricitabin",
    "tenofovir",
    "efavirenz",
    "dolutegravir",
    "bictegravir",
    "raltegravir",
    "rilpivirin",
    "zidovudin",
    "lamivudin",
    "abacavir",
    "darunavir",
    // Sexual and reproductive health.
    "sexual",
    "sexuell",
    "pregnan",
    "schwanger",
    "grossesse",
    "embaraz",
    "miscarr",
    "abortion",
    "abtreibung",
    "avortement",
    "aborto",
    "contracep",
    "verhütung",
    "prenatal",
    "antenatal",
    "postnatal",
    "obstetric",
    "childbirth",
    "fetus",
    "fetal",
    "foetal",
    "infertil",
    "in vitro fertili",
    "erectile",
    "syphilis",
    "gonorrh",
    "chlamydia",
    "genital herpes",
    "trichomon",
    "transgender",
    "gender identity",
    "gender dysphoria",
    "levonorgestrel",
    "ethinyl estradiol",
    "ethinylestradiol",
    "medroxyprogesteron",
    "etonogestrel",
    "mifepriston",
    "misoprostol",
    "ulipristal",
    "norethindron",
    "drospirenon",
    // Violence.
    "abuse",
    "domestic violence",
    "intimate partner",
    "sexual assault",
];

/// Whole words, case as written.
const EXACT_WORDS: &[&str] = &[
    "HIV", "HIV1", "HIV2", "AIDS", "PrEP", "STI", "STD", "PTSD", "OCD", "ADHD", "rape", "Rape",
    "PHQ", "LSD", "MDMA", "VIH", "SIDA",
];
