//! The tables of `sensitive.rs`. Each line names its matter; where a code's meaning is
//! wide, it is taken whole.

/// Members whose strings are no prose: names of things, and base64.
pub(super) const UNREAD: &[&str] = &[
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
pub(super) const SECURITY_LABELS: &[&str] = &[
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
pub(super) const SNOMED: &[&str] = &[
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
pub(super) const ICD_10: &[&str] = &[
    "F", "R45.8", "R4585", "Z86.5", "Z91.5", "X6", "X7", "X80", "X81", "X82", "X83",
    "X84", // mind, self-harm
    "K70", "T40", "T51", "Z71.4", "Z71.5", "Z72.1", "Z72.2", "Z86.4", // substances
    "B20", "B21", "B22", "B23", "B24", "Z21", "Z20.6", "R75", // HIV
    "A5", "A60", "A61", "A62", "A63", "A64", "N96", "N97", "N46", "N52", "O", "Z3", "Z64.0",
    "Z72.5", // sexual and reproductive
    "T74", "T76", "Y05", "Y06", "Y07", "Z61.4", "Z61.5", "Z69", // violence
];

/// Beginnings of ICD-9-CM codes.
pub(super) const ICD_9: &[&str] = &[
    "29", "300", "301", "302", "303", "304", "305.0", "305.2", "305.3", "305.4", "305.5", "305.6",
    "305.7", "305.8", "305.9", "306", "307", "308", "309", "31", // mind, substances
    "042", "V08", "079.53", "09", // HIV, sexually transmitted
    "63", "64", "65", "66", "67", "V22", "V23", "V24", "V25", "V26", "V27", // reproductive
    "965.0", "995.5", "995.8", "E95", // poisoning, abuse, self-harm
];

/// LOINC: HIV tests, pregnancy, and mental health, alcohol and drug questionnaires.
pub(super) const LOINC: &[&str] = &[
    "75622-1", "56888-1", "7917-8", "7918-6", "20447-9", "25836-8", // HIV
    "2106-3", "2118-8", "82810-3", "11778-8", // pregnancy
    "44249-1", "44261-6", "55757-9", "55758-7", "69737-5", "70274-6", // PHQ, GAD
    "75626-2", "72109-2", "82667-7", // AUDIT-C, DAST-10
    "76690-7", "76691-5", // sexual orientation, gender identity
];

/// Beginnings of ATC codes: psychoactive, addiction, antiretroviral, contraceptive drugs.
pub(super) const ATC: &[&str] = &[
    "N05A", "N06A", "N07B", "J05AR", "J05AF", "J05AJ", "J05AG", "G03A", "G02B",
];

/// Beginnings of words, lower case. Hyphens and spaces as written.
pub(super) const WORDS: &[&str] = &[
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
pub(super) const EXACT_WORDS: &[&str] = &[
    "HIV", "HIV1", "HIV2", "AIDS", "PrEP", "STI", "STD", "PTSD", "OCD", "ADHD", "rape", "Rape",
    "PHQ", "LSD", "MDMA", "VIH", "SIDA",
];
