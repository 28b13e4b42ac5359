#!/usr/bin/env python3
"""Writes the sample records of this folder: python3 samples/generate.py

Needs the Python standard library only, and always writes the same bytes. All persons,
institutions and values are invented; no file is taken from anywhere.
"""

import math
import pathlib
import random
import struct
import uuid

HERE = pathlib.Path(__file__).resolve().parent
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
UCUM, RXNORM = "http://unitsofmeasure.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
TERM = "http://terminology.hl7.org/CodeSystem/"


class Number(str):
    """A JSON number, spelled as it is to stand in the file."""


# ---------------------------------------------------------------- JSON in several hands


def quoted(text, ascii_only):
    out = ['"']
    for c in text:
        if c in '"\\':
            out.append("\\" + c)
        elif c == "\n":
            out.append("\\n")
        elif ascii_only and ord(c) > 126:
            units = c.encode("utf-16-be")
            out += ["\\u%04x" % u for u in struct.unpack(">%dH" % (len(units) // 2), units)]
        else:
            out.append(c)
    return "".join(out) + '"'


class Style:
    """How one hospital's system prints JSON."""

    def __init__(self, indent="", newline="", colon=":", comma=",", ascii_only=False, jitter=None):
        self.indent, self.newline, self.colon, self.comma = indent, newline, colon, comma
        self.ascii_only, self.jitter = ascii_only, jitter

    def space(self):
        if self.jitter is None:
            return ""
        return self.jitter.choice(["", "", "", " ", "  ", "\t", "\n   "])

    def write(self, value, depth=0):
        if isinstance(value, Number):
            return str(value)
        if isinstance(value, str):
            return quoted(value, self.ascii_only)
        if value is True or value is False:
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        inner, outer = self.newline + self.indent * (depth + 1), self.newline + self.indent * depth
        if isinstance(value, dict):
            items = [
                quoted(k, self.ascii_only) + self.space() + self.colon + self.space() + self.write(v, depth + 1)
                for k, v in value.items()
            ]
            left, right = "{", "}"
        else:
            items = [self.write(v, depth + 1) for v in value]
            left, right = "[", "]"
        body = (self.comma + self.space() + inner).join(items)
        return left + self.space() + inner + body + self.space() + outer + right


# ---------------------------------------------------------------- FHIR resources


def concept(system, code, display):
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def quantity(value, unit, code=None):
    return {"value": Number(value), "unit": unit, "system": UCUM, "code": code or unit}


LABS = {  # code, name, unit, low, high, digits
    "hba1c": ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4.0, 5.6, 1),
    "glucose": ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 70, 99, 0),
    "creatinine": ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.6, 1.3, 2),
    "egfr": ("98979-8", "Glomerular filtration rate (CKD-EPI 2021)", "mL/min/{1.73_m2}", 60, 120, 0),
    "cholesterol": ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 0, 200, 0),
    "hdl": ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 40, 80, 0),
    "ldl": ("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma", "mg/dL", 0, 130, 1),
    "triglycerides": ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 0, 150, 0),
    "hemoglobin": ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 12.0, 17.5, 1),
    "leukocytes": ("6690-2", "Leukocytes [#/volume] in Blood", "10*3/uL", 4.0, 11.0, 2),
    "platelets": ("777-3", "Platelets [#/volume] in Blood", "10*3/uL", 150, 400, 0),
    "sodium": ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 135, 145, 0),
    "potassium": ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.5, 5.1, 2),
    "tsh": ("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 0.4, 4.0, 3),
    "ferritin": ("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "ng/mL", 15, 150, 0),
}
PANELS = {
    "metabolic": ("51990-0", "Basic metabolic panel", ["glucose", "creatinine", "egfr", "sodium", "potassium"]),
    "lipids": ("57698-3", "Lipid panel", ["cholesterol", "triglycerides", "hdl", "ldl"]),
    "blood": ("58410-2", "Complete blood count", ["hemoglobin", "leukocytes", "platelets"]),
    "sugar": ("4548-4", "Hemoglobin A1c", ["hba1c"]),
    "thyroid": ("3016-3", "Thyrotropin", ["tsh"]),
    "iron": ("2276-4", "Ferritin", ["ferritin"]),
}


class Chart:
    """One patient's record as it grows."""

    def __init__(self, seed, hospital, city, given, family, gender, born, doctor, language):
        self.random = random.Random(seed)
        self.entries = []
        self.hospital = self.add({
            "resourceType": "Organization", "name": hospital, "active": True,
            "address": [{"city": city}],
        })
        self.doctor = self.add({
            "resourceType": "Practitioner", "active": True,
            "name": [{"family": doctor[1], "given": [doctor[0]], "prefix": ["Dr."]}],
        })
        self.patient = self.add({
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:2.999.1", "value": "MRN-%06d" % self.random.randrange(10**6)}],
            "name": [{"use": "official", "family": family, "given": given}],
            "gender": gender, "birthDate": born,
            "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}}],
            "managingOrganization": {"reference": self.hospital},
        })
        self.weight, self.height = 70.0, 170.0
        self.pressure, self.pulse = 122, 70
        self.levels = {}

    def add(self, resource, security=None):
        identity = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        full = {"resourceType": resource.pop("resourceType"), "id": identity}
        if security:
            full["meta"] = {"security": [
                {"system": TERM + ("v3-Confidentiality" if code in "RV" else "v3-ActCode"), "code": code}
                for code in security
            ]}
        full.update(resource)
        self.entries.append(full)
        return "urn:uuid:" + identity

    def subject(self, encounter=None):
        about = {"subject": {"reference": self.patient}}
        if encounter:
            about["encounter"] = {"reference": encounter}
        return about

    def visit(self, day, reason, kind="AMB", security=None, code=("185349003", "Encounter for check up")):
        return self.add({
            "resourceType": "Encounter", "status": "finished",
            "class": {"system": TERM + "v3-ActCode", "code": kind},
            "type": [concept(SNOMED, *code)], **self.subject(),
            "participant": [{"individual": {"reference": self.doctor}}],
            "period": {"start": day + "T09:%02d:00+01:00" % self.random.randrange(60), "end": day + "T10:%02d:00+01:00" % self.random.randrange(60)},
            "reasonCode": [{"text": reason}],
            "serviceProvider": {"reference": self.hospital},
        }, security)

    def observation(self, day, category, code, name, value, encounter, security=None, **more):
        body = {
            "resourceType": "Observation", "status": "final",
            "category": [concept(TERM + "observation-category", category, category.replace("-", " ").title())],
            "code": concept(LOINC, code, name), **self.subject(encounter),
            "effectiveDateTime": day + "T09:%02d:00.000+01:00" % self.random.randrange(60),
            "issued": day + "T14:%02d:%02d.%03d+01:00" % tuple(self.random.randrange(n) for n in (60, 60, 1000)),
        }
        if value is not None:
            body["valueQuantity"] = value
        body.update(more)
        return self.add(body, security)

    def vitals(self, day, encounter):
        r = self.random
        self.weight += r.uniform(-1.2, 1.2)
        systolic = round(r.gauss(self.pressure, 5))
        diastolic = round(systolic * 0.62 + r.gauss(0, 3))
        part = lambda code, name, value: {"code": concept(LOINC, code, name), "valueQuantity": quantity(value, "mmHg", "mm[Hg]")}
        self.observation(day, "vital-signs", "85354-9", "Blood pressure panel", None, encounter, component=[
            part("8480-6", "Systolic blood pressure", str(systolic)),
            part("8462-4", "Diastolic blood pressure", str(diastolic)),
        ])
        for code, name, value, unit, ucum in (
            ("8867-4", "Heart rate", "%d" % r.gauss(self.pulse, 5), "beats/minute", "/min"),
            ("29463-7", "Body weight", "%.1f" % self.weight, "kg", "kg"),
            ("8302-2", "Body height", "%.0f" % self.height, "cm", "cm"),
            ("39156-5", "Body mass index (BMI)", "%.2f" % (self.weight / (self.height / 100) ** 2), "kg/m2", "kg/m2"),
            ("8310-5", "Body temperature", "%.1f" % r.gauss(36.7, 0.2), "Cel", "Cel"),
            ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%d" % min(100, r.gauss(97.5, 1)), "%", "%"),
        ):
            self.observation(day, "vital-signs", code, name, quantity(value, unit, ucum), encounter)

    def panel(self, day, which, encounter):
        code, title, names = PANELS[which]
        results = []
        for name in names:
            loinc, display, unit, low, high, digits = LABS[name]
            middle = self.levels.get(name, low + 0.55 * (high - low))
            value = max(0.01, self.random.gauss(middle, 0.05 * middle))
            flag = "H" if value > high else "L" if value < low else "N"
            results.append(self.observation(
                day, "laboratory", loinc, display, quantity("%.*f" % (digits, value), unit), encounter,
                interpretation=[concept(TERM + "v3-ObservationInterpretation", flag, {"H": "High", "L": "Low", "N": "Normal"}[flag])],
                referenceRange=[{"low": quantity("%.*f" % (digits, low), unit), "high": quantity("%.*f" % (digits, high), unit)}],
            ))
        self.add({
            "resourceType": "DiagnosticReport", "status": "final",
            "category": [concept(TERM + "v2-0074", "LAB", "Laboratory")],
            "code": concept(LOINC, code, title), **self.subject(encounter),
            "effectiveDateTime": day, "performer": [{"reference": self.hospital}],
            "result": [{"reference": result} for result in results],
        })

    def smoking(self, day, encounter, code, text):
        self.observation(day, "social-history", "72166-2", "Tobacco smoking status", None, encounter,
                         valueCodeableConcept=concept(SNOMED, code, text))

    def problem(self, since, code, name, encounter=None, active=True, security=None, note=None):
        body = {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": TERM + "condition-clinical", "code": "active" if active else "resolved"}]},
            "verificationStatus": {"coding": [{"system": TERM + "condition-ver-status", "code": "confirmed"}]},
            "category": [concept(TERM + "condition-category", "problem-list-item", "Problem List Item")],
            "code": concept(SNOMED, code, name), **self.subject(encounter),
            "onsetDateTime": since,
        }
        if note:
            body["note"] = [{"text": note}]
        return self.add(body, security)

    def drug(self, since, code, name, dose, for_problem=None, encounter=None, status="active", security=None):
        body = {
            "resourceType": "MedicationRequest", "status": status, "intent": "order",
            "medicationCodeableConcept": concept(RXNORM, code, name), **self.subject(encounter),
            "authoredOn": since, "requester": {"reference": self.doctor},
            "dosageInstruction": [{"text": dose, "timing": {"repeat": {"frequency": 1, "period": Number("1.0"), "periodUnit": "d"}}}],
        }
        if for_problem:
            body["reasonReference"] = [{"reference": for_problem}]
        return self.add(body, security)

    def vaccine(self, day, code, name, lot):
        self.add({
            "resourceType": "Immunization", "status": "completed",
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", code, name),
            "patient": {"reference": self.patient}, "occurrenceDateTime": day,
            "primarySource": True, "lotNumber": lot,
        })

    def allergy(self, code, name, reaction, criticality="high"):
        self.add({
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": {"coding": [{"system": TERM + "allergyintolerance-clinical", "code": "active"}]},
            "verificationStatus": {"coding": [{"system": TERM + "allergyintolerance-verification", "code": "confirmed"}]},
            "type": "allergy", "criticality": criticality, "code": concept(SNOMED, code, name),
            "patient": {"reference": self.patient},
            "reaction": [{"manifestation": [{"text": reaction}]}],
        })

    def procedure(self, day, code, name, encounter=None, security=None):
        return self.add({
            "resourceType": "Procedure", "status": "completed", "code": concept(SNOMED, code, name),
            **self.subject(encounter), "performedPeriod": {"start": day + "T11:00:00+01:00", "end": day + "T11:45:00+01:00"},
        }, security)

    def imaging(self, day, modality, title, body_site, pictures, encounter=None):
        uid = lambda: "2.25." + str(self.random.getrandbits(120))
        study = self.add({
            "resourceType": "ImagingStudy", "status": "available",
            "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:" + uid()}],
            **self.subject(encounter), "started": day + "T11:20:00+01:00",
            "numberOfSeries": 1, "numberOfInstances": pictures, "description": title,
            "series": [{
                "uid": uid(), "number": 1,
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": modality},
                "numberOfInstances": pictures, "bodySite": {"system": SNOMED, "code": body_site[0], "display": body_site[1]},
                "instance": [
                    {"uid": uid(), "number": n + 1, "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}}
                    for n in range(pictures)
                ],
            }],
        })
        self.add({
            "resourceType": "DiagnosticReport", "status": "final",
            "category": [concept(TERM + "v2-0074", "RAD", "Radiology")],
            "code": {"text": title}, **self.subject(encounter), "effectiveDateTime": day,
            "imagingStudy": [{"reference": study}], "conclusion": title + ": no acute finding.",
        })

    def bundle(self, kind):
        entries = []
        for resource in self.entries:
            entry = {"fullUrl": "urn:uuid:" + resource["id"], "resource": resource}
            if kind == "transaction":
                entry["request"] = {"method": "POST", "url": resource["resourceType"]}
            if kind == "searchset":
                entry["search"] = {"mode": "match"}
            entries.append(entry)
        return {"resourceType": "Bundle", "type": kind, "entry": entries}

    def write(self, name, kind, style, reorder=False, end="\n"):
        bundle = self.bundle(kind)
        if kind == "searchset":
            bundle["total"] = len(self.entries)
        if reorder:
            bundle = {key: bundle[key] for key in ("entry", "type", "resourceType")}
        save(name, (style.write(bundle) + end).encode())


def save(name, data):
    (HERE / name).write_bytes(data)
    print("%7d  %s" % (len(data), name))


# ---------------------------------------------------------------- the patients


def beispiel():
    """Diabetes, hypertension, a year of labs; depression, labelled by the hospital."""
    c = Chart(1, "Musterklinik am See", "Beispielstadt", ["Zoë", "Änne"], "Beispiel-Müller", "female", "1964-03-09", ("Jörg", "Mustermann"), "de")
    c.weight, c.height, c.pressure = 84.0, 166.0, 142
    c.levels = {"hba1c": 7.4, "glucose": 148, "cholesterol": 224, "hdl": 44, "triglycerides": 190, "egfr": 74, "creatinine": 0.89, "ldl": 139.0}
    diabetes = c.problem("2015-06-11", "44054006", "Diabetes mellitus type 2")
    pressure = c.problem("2012-02-20", "38341003", "Hypertensive disorder, systemic arterial")
    c.problem("2018-11-05", "55822004", "Hyperlipidemia")
    mood = c.problem("2021-01-18", "370143000", "Major depressive disorder", security=["R", "PSY"], note="Auf Wunsch der Patientin vertraulich.")
    c.drug("2015-06-11", "860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet", "1-0-1 nach dem Essen", diabetes)
    c.drug("2012-02-20", "314076", "Lisinopril 10 MG Oral Tablet", "1-0-0", pressure)
    c.drug("2018-11-05", "617312", "Atorvastatin 20 MG Oral Tablet", "0-0-1")
    c.drug("2021-01-18", "312941", "Sertraline 50 MG Oral Tablet", "1-0-0", mood, security=["R", "PSY"])
    c.allergy("91936005", "Allergy to penicillin", "Urtikaria")
    for day in ("2024-03-12", "2024-09-17", "2025-03-11", "2025-09-16"):
        visit = c.visit(day, "Diabetes follow-up")
        c.vitals(day, visit)
        c.panel(day, "sugar", visit)
        c.panel(day, "metabolic", visit)
        if day.endswith("03-12") or day.endswith("03-11"):
            c.panel(day, "lipids", visit)
        c.smoking(day, visit, "266919005", "Never smoked tobacco")
    talk = c.visit("2025-04-02", "Psychotherapy session", security=["R", "PSY"], code=("183381005", "Psychiatric follow-up"))
    c.observation("2025-04-02", "survey", "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score", quantity("11", "{score}"), talk, security=["R", "PSY"])
    c.vaccine("2024-10-15", "140", "Influenza, seasonal, injectable, preservative free", "FX-4410")
    c.vaccine("2021-05-04", "208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose", "EK9788")
    c.procedure("2024-05-07", "252416005", "Fundus photography of both eyes")
    c.write("beispiel-mueller.fhir.json", "transaction", Style(indent="  ", newline="\n", colon=": "))


def ejemplo():
    """A broken wrist, an imaging study, childhood vaccines; nothing sensitive."""
    c = Chart(2, "Hospital Ficticio de San Cronopio", "Villa Ejemplo", ["José", "Iñaki"], "Ejemplo Núñez", "male", "2011-07-23", ("María", "Dolores Inventada"), "es")
    c.weight, c.height, c.pressure, c.pulse = 46.0, 156.0, 108, 82
    for day, code, name, lot in (
        ("2011-09-25", "20", "DTaP", "A1"), ("2011-11-27", "20", "DTaP", "A2"), ("2012-01-29", "20", "DTaP", "A7"),
        ("2012-08-02", "03", "MMR", "M-33"), ("2016-07-25", "03", "MMR", "M-90"), ("2012-08-02", "21", "Varicella", "V5"),
        ("2022-09-14", "115", "Tdap", "T-2022"), ("2024-11-04", "140", "Influenza, seasonal", "FX-4412"),
    ):
        c.vaccine(day, code, name, lot)
    c.allergy("91935009", "Allergy to peanut", "Anafilaxia")
    c.allergy("232347008", "Allergy to animal dander", "Rinitis", "low")
    c.problem("2018-04-02", "195967001", "Asthma")
    c.drug("2018-04-02", "745752", "200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "2 inhalaciones si precisa")
    fall = c.visit("2025-06-21", "Caída de bicicleta", "EMER", code=("50849002", "Emergency room admission"))
    c.vitals("2025-06-21", fall)
    c.problem("2025-06-21", "263102004", "Fracture subluxation of wrist", fall)
    c.imaging("2025-06-21", "DX", "Radiografía de muñeca, dos proyecciones", ("8205005", "Wrist region structure"), 2, fall)
    c.procedure("2025-06-21", "274474001", "Bone immobilization", fall)
    c.drug("2025-06-21", "197806", "Ibuprofen 600 MG Oral Tablet", "1 cada 8 h con comida", encounter=fall, status="completed")
    c.panel("2025-06-21", "blood", fall)
    after = c.visit("2025-08-01", "Retirada de yeso")
    c.vitals("2025-08-01", after)
    c.write("ejemplo-nunez.fhir.json", "collection", Style(), end="")


def shili():
    """Heart failure in old age, many drugs; tabs and CRLF, members in another order."""
    c = Chart(3, "虚构市第一示例医院", "虚构市", ["示例"], "李", "male", "1947-12-01", ("虚", "王"), "zh")
    c.weight, c.height, c.pressure, c.pulse = 71.5, 169.0, 128, 64
    c.levels = {"creatinine": 1.52, "egfr": 47, "potassium": 4.8, "hemoglobin": 11.6, "cholesterol": 158, "hdl": 39, "ldl": 84.0, "ferritin": 41}
    failure = c.problem("2019-08-14", "42343007", "Congestive heart failure")
    c.problem("2009-03-30", "53741008", "Coronary arteriosclerosis")
    c.problem("2020-10-10", "433144002", "Chronic kidney disease stage 3")
    c.problem("2021-02-17", "49436004", "Atrial fibrillation")
    for day, code, name, dose in (
        ("2019-08-14", "200031", "Carvedilol 6.25 MG Oral Tablet", "每日两次"),
        ("2019-08-14", "313988", "Furosemide 40 MG Oral Tablet", "每日一次"),
        ("2019-09-02", "1656340", "Sacubitril 24 MG / Valsartan 26 MG Oral Tablet", "每日两次"),
        ("2021-02-17", "1364445", "Apixaban 5 MG Oral Tablet", "每日两次"),
        ("2009-04-01", "617310", "Atorvastatin 40 MG Oral Tablet", "睡前一次"),
    ):
        c.drug(day, code, name, dose, failure if day.startswith("2019") else None)
    stay = c.visit("2024-01-19", "气促加重", "IMP", code=("183452005", "Emergency hospital admission"))
    c.imaging("2024-01-19", "CT", "胸部CT平扫", ("51185008", "Thoracic structure"), 6, stay)
    c.procedure("2024-01-20", "40701008", "Echocardiography", stay)
    c.observation("2024-01-20", "imaging", "10230-1", "Left ventricular Ejection fraction", quantity("34", "%"), stay)
    for day in ("2024-01-19", "2024-04-22", "2024-10-21", "2025-04-14"):
        visit = stay if day == "2024-01-19" else c.visit(day, "心力衰竭复诊")
        c.vitals(day, visit)
        c.panel(day, "metabolic", visit)
        c.panel(day, "blood", visit)
        if day.endswith("22"):
            c.panel(day, "lipids", visit)
            c.panel(day, "iron", visit)
        c.smoking(day, visit, "8517006", "Former smoker")
    c.vaccine("2024-10-21", "135", "Influenza, high dose seasonal", "HD-77")
    c.vaccine("2023-10-16", "33", "Pneumococcal polysaccharide PPV23", "P23-5")
    c.write("li-shili.fhir.json", "collection", Style(indent="\t", newline="\r\n", colon=" : "), reorder=True, end="\r\n")


def przykladowa():
    """Pregnancy, and HIV under treatment: most of it must stay apart. Uneven white space."""
    c = Chart(4, "Szpital Zmyślony im. Nikogo", "Przykładowo", ["Żaneta", "Łucja"], "Przykładowa", "female", "1993-05-17", ("Święcisław", "Wymyślny"), "pl")
    c.weight, c.height, c.pressure = 63.0, 171.0, 114
    c.levels = {"hemoglobin": 11.9, "ferritin": 19, "tsh": 1.9}
    infection = c.problem("2019-03-04", "86406008", "Human immunodeficiency virus infection", security=["R", "HIV"])
    c.drug("2019-03-11", "1926066", "Bictegravir 50 MG / Emtricitabine 200 MG / Tenofovir alafenamide 25 MG Oral Tablet", "1 tabletka dziennie", infection, security=["R", "HIV"])
    c.problem("2025-01-20", "77386006", "Pregnancy", security=["SEX"])
    c.problem("2016-09-09", "37796009", "Migraine")
    c.drug("2016-09-09", "313165", "Sumatriptan 50 MG Oral Tablet", "w razie bólu", status="stopped")
    c.allergy("300913006", "Allergy to shellfish", "obrzęk warg")
    for number, day in enumerate(("2025-02-10", "2025-04-14", "2025-06-09", "2025-08-04")):
        visit = c.visit(day, "Prenatal visit %d" % (number + 1), security=["SEX"], code=("424619006", "Prenatal visit"))
        c.vitals(day, visit)
        c.panel(day, "blood", visit)
        c.panel(day, "iron", visit)
        c.observation(day, "laboratory", "20447-9", "HIV 1 RNA [#/volume] (viral load) in Serum or Plasma", quantity("%d" % [40, 20, 20, 19][number], "{copies}/mL"), visit, security=["R", "HIV"])
        if number == 0:
            c.panel(day, "thyroid", visit)
    c.procedure("2025-04-14", "268445003", "Ultrasound scan - obstetric", security=["SEX"])
    c.vaccine("2025-06-09", "115", "Tdap", "T-2025")
    c.smoking("2025-02-10", None, "266919005", "Never smoked tobacco")
    c.write("przykladowa.fhir.json", "searchset", Style(colon=":", jitter=random.Random(44)), end="  \n\n")


def testsson():
    """Alcohol dependence without any label of the hospital, a healthy heart. ASCII escapes."""
    c = Chart(5, "Tilbúni spítalinn", "Prufuvík", ["Ægir", "Þór"], "Testsson", "male", "1979-10-30", ("Guðrún", "Uppspuna"), "is")
    c.weight, c.height, c.pressure = 92.0, 184.0, 133
    c.levels = {"cholesterol": 208, "hdl": 61, "ldl": 121.0, "triglycerides": 141, "egfr": 98, "creatinine": 0.93}
    dependence = c.problem("2020-05-25", "66590003", "Alcohol dependence")
    c.drug("2020-06-02", "1483744", "Naltrexone hydrochloride 50 MG Oral Tablet", "1 tafla á dag", dependence)
    c.procedure("2020-06-01", "182969009", "Alcohol detoxification")
    c.problem("2023-02-02", "279039007", "Low back pain")
    c.drug("2023-02-02", "198014", "Naproxen 500 MG Oral Tablet", "eftir þörfum", status="stopped")
    c.allergy("418689008", "Allergy to grass pollen", "hnerri", "low")
    for day in ("2023-02-02", "2024-02-06", "2025-02-04"):
        visit = c.visit(day, "Annual check")
        c.vitals(day, visit)
        for panel in ("metabolic", "lipids", "blood", "sugar"):
            c.panel(day, panel, visit)
        c.smoking(day, visit, "449868002", "Smokes tobacco daily")
        c.observation(day, "survey", "75626-2", "Total score [AUDIT-C]", quantity(str(c.random.randrange(2, 9)), "{score}"), visit)
    c.imaging("2023-02-10", "MR", "Lumbar spine MRI", ("122496007", "Lumbar spine structure"), 4)
    c.vaccine("2024-11-12", "140", "Influenza, seasonal", "FX-4418")
    c.write("testsson.fhir.json", "transaction", Style(indent=" ", newline="\n", colon=": ", ascii_only=True))


# ---------------------------------------------------------------- C-CDA


def ccda():
    """A Continuity of Care Document (C-CDA R2.1): problems, allergies, drugs, results."""
    oid = lambda root, extension=None: '<templateId root="%s"%s/>' % (root, ' extension="%s"' % extension if extension else "")
    code = lambda tag, value, system, name, more="": '<%s code="%s" codeSystem="%s" displayName="%s"%s/>' % (tag, value, system, name, more)
    loinc, snomed, rxnorm = "2.16.840.1.113883.6.1", "2.16.840.1.113883.6.96", "2.16.840.1.113883.6.88"
    identity = lambda n: '<id root="%s"/>' % uuid.UUID(int=0x5EED0000000000000000 + n)

    def section(template, number, title, rows, entries):
        table = "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % cell for cell in row) for row in rows)
        return f"""
    <component><section>
      {oid(*template)}
      {code("code", number, loinc, title)}
      <title>{title}</title>
      <text><table><tbody>{table}</tbody></table></text>{entries}
    </section></component>"""

    def observation(template, n, what, when, value):
        return f"""
          <observation classCode="OBS" moodCode="EVN">{oid(*template)}{identity(n)}
            {what}<statusCode code="completed"/><effectiveTime><low value="{when}"/></effectiveTime>{value}
          </observation>"""

    assertion = code("code", "55607006", snomed, "Problem")
    problems = [("195967001", "Asthma", "19990412"), ("40930008", "Hypothyroidism", "20081103"), ("396275006", "Osteoarthritis", "20170622")]
    drugs = [("966224", "Levothyroxine sodium 0.075 MG Oral Tablet", "75 µg in the morning"), ("896188", "Fluticasone/Salmeterol inhaler", "1 puff twice daily")]
    results = [("3016-3", "TSH", "2.61", "m[IU]/L"), ("718-7", "Hemoglobin", "13.4", "g/dL"), ("2823-3", "Potassium", "4.02", "mmol/L"), ("2160-0", "Creatinine", "0.77", "mg/dL")]
    entry = lambda body: "\n        <entry typeCode=\"DRIV\">%s\n        </entry>" % body
    problem_entries = "".join(entry(f"""
          <act classCode="ACT" moodCode="EVN">{oid("2.16.840.1.113883.10.20.22.4.3", "2015-08-01")}{identity(10 + n)}
            <code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/><effectiveTime><low value="{when}"/></effectiveTime>
            <entryRelationship typeCode="SUBJ">{observation(("2.16.840.1.113883.10.20.22.4.4", "2015-08-01"), 20 + n, assertion, when, code("value", number, snomed, name, ' xsi:type="CD"'))}
            </entryRelationship></act>""") for n, (number, name, when) in enumerate(problems))
    drug_entries = "".join(entry(f"""
          <substanceAdministration classCode="SBADM" moodCode="INT">{oid("2.16.840.1.113883.10.20.22.4.16", "2014-06-09")}{identity(30 + n)}
            <text>{dose}</text><statusCode code="active"/><effectiveTime xsi:type="IVL_TS"><low value="20200101"/></effectiveTime>
            <consumable><manufacturedProduct classCode="MANU">{oid("2.16.840.1.113883.10.20.22.4.23", "2014-06-09")}
              <manufacturedMaterial>{code("code", number, rxnorm, name)}</manufacturedMaterial></manufacturedProduct></consumable>
          </substanceAdministration>""") for n, (number, name, dose) in enumerate(drugs))
    result_entries = entry(f"""
          <organizer classCode="BATTERY" moodCode="EVN">{oid("2.16.840.1.113883.10.20.22.4.1", "2015-08-01")}{identity(40)}
            {code("code", "24323-8", loinc, "Comprehensive metabolic panel")}<statusCode code="completed"/>""" + "".join(f"""
            <component>{observation(("2.16.840.1.113883.10.20.22.4.2", "2015-08-01"), 41 + n, code("code", number, loinc, name), "20250506", f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>')}
            </component>""" for n, (number, name, value, unit) in enumerate(results)) + "\n          </organizer>")
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- An invented person. Written by samples/generate.py. -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <realmCode code="US"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  {oid("2.16.840.1.113883.10.20.22.1.1", "2015-08-01")}
  {oid("2.16.840.1.113883.10.20.22.1.2", "2015-08-01")}
  {identity(1)}
  {code("code", "34133-9", loinc, "Summarization of Episode Note")}
  <title>Continuity of Care Document</title>
  <effectiveTime value="20250509103000+0100"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="en-IE"/>
  <recordTarget><patientRole>
    <id root="2.999.7" extension="CCD-0001"/>
    <addr use="HP"><streetAddressLine>1 Invented Road</streetAddressLine><city>Baile Samplach</city><country>IE</country></addr>
    <telecom nullFlavor="NI"/>
    <patient>
      <name use="L"><given>Síle</given><given>Bríd</given><family>Ní Shamplach</family></name>
      <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>
      <birthTime value="19580214"/>
    </patient>
  </patientRole></recordTarget>
  <author><time value="20250509103000+0100"/><assignedAuthor>
    <id root="2.999.8" extension="42"/><addr nullFlavor="NI"/><telecom nullFlavor="NI"/>
    <assignedPerson><name><prefix>Dr.</prefix><given>Pádraig</given><family>Ó Bréagach</family></name></assignedPerson>
  </assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="2.999.9"/><name>Ospidéal na Samplaí</name><telecom nullFlavor="NI"/><addr nullFlavor="NI"/>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <component><structuredBody>{section(("2.16.840.1.113883.10.20.22.2.5.1", "2015-08-01"), "11450-4", "Problem List",
        [(name, when[:4]) for _, name, when in problems], problem_entries)}{section(("2.16.840.1.113883.10.20.22.2.6.1", "2015-08-01"), "48765-2", "Allergies and adverse reactions",
        [("No known allergies",)], "")}{section(("2.16.840.1.113883.10.20.22.2.1.1", "2014-06-09"), "10160-0", "History of Medication Use",
        [(name, dose) for _, name, dose in drugs], drug_entries)}{section(("2.16.840.1.113883.10.20.22.2.3.1", "2015-08-01"), "30954-2", "Relevant diagnostic tests and laboratory data",
        [(name, value + " " + unit) for _, name, value, unit in results], result_entries)}
  </structuredBody></component>
</ClinicalDocument>
"""
    save("ni-shamplach.ccda.xml", text.encode())


# ---------------------------------------------------------------- HL7 v2


def hl7v2():
    """An ORU^R01 of version 2.5.1: a blood count and a metabolic panel, CR after each segment."""
    r = random.Random(6)
    segments = [
        "MSH|^~\\&|LABSYS|HOPITAL-FICTIF^2.999.3^ISO|EHR|HOPITAL-FICTIF|20250714083055+0200||ORU^R01^ORU_R01|MSG00042|P|2.5.1|||AL|NE||UNICODE UTF-8",
        "PID|1||770123^^^HOPITAL-FICTIF&2.999.3&ISO^MR||D'Essai^Hélène^Loïs^^Mme||19860419|F|||5 rue de l'Exemple^^Échantillon-sur-Mer^^00000^FR",
        "PV1|1|O|CONS^^^HOPITAL-FICTIF||||1234^Inventé^Rémi^^^Dr.",
        "ORC|RE|ORD7781|LAB99120||CM||||20250714080000+0200",
    ]
    number = 0
    for set_id, (code, title, names) in enumerate((PANELS["blood"], PANELS["metabolic"]), 1):
        segments.append(f"OBR|{set_id}|ORD7781|LAB99120|{code}^{title}^LN|||20250714074500+0200|||||||||1234^Inventé^Rémi^^^Dr.||||||20250714083000+0200||LAB|F")
        for name in names:
            loinc, display, unit, low, high, digits = LABS[name]
            value = r.uniform(low, high) * r.choice([1, 1, 1.15])
            flag = "H" if value > high else "N"
            number += 1
            segments.append(f"OBX|{number}|NM|{loinc}^{display}^LN||{value:.{digits}f}|{unit}|{low:.{digits}f}-{high:.{digits}f}|{flag}|||F|||20250714074500+0200")
    segments.append("NTE|1||Échantillon légèrement hémolysé \\T\\ recontrôlé.")
    save("d-essai.oru.hl7", "".join(segment + "\r" for segment in segments).encode())


# ---------------------------------------------------------------- DICOM


def dicom():
    """One CT slice of a water phantom with inserts, explicit VR little endian (PS3.10)."""
    size, r = 128, random.Random(7)
    inserts = [(0.45, 0.0, 0.14, 900), (-0.45, 0.0, 0.14, -780), (0.0, 0.45, 0.14, 120), (0.0, -0.45, 0.14, -95), (0.0, 0.0, 0.06, 340)]
    pixels = bytearray()
    for row in range(size):
        for column in range(size):
            x, y = (column - 63.5) / 60, (row - 63.5) / 60
            radius = math.hypot(x, y)
            value = -1000 if radius > 1 else 110 if radius > 0.94 else 0
            for cx, cy, size_of, unit in inserts:
                if math.hypot(x - cx, y - cy) < size_of:
                    value = unit
            noise = r.gauss(0, 9) if radius <= 1 else r.gauss(0, 3)
            pixels += struct.pack("<H", max(0, min(4095, round(value + noise) + 1024)))

    def element(group, number, vr, value):
        if isinstance(value, str):
            value = value.encode("utf-8")
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB") else b" "
        head = struct.pack("<HH", group, number) + vr.encode()
        if vr in ("OB", "OW", "UN", "SQ", "UT"):
            return head + b"\0\0" + struct.pack("<I", len(value)) + value
        return head + struct.pack("<H", len(value)) + value

    short = lambda value: struct.pack("<H", value)
    uid = lambda n: "2.25.%d" % uuid.UUID(int=0x5EED_D1C0_0000_0000_0000 + n).int
    storage, syntax = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
    meta = b"".join([
        element(2, 0x01, "OB", b"\0\1"), element(2, 0x02, "UI", storage), element(2, 0x03, "UI", uid(1)),
        element(2, 0x10, "UI", syntax), element(2, 0x12, "UI", uid(0)), element(2, 0x13, "SH", "SAMPLES_1"),
    ])
    data = b"".join(element(*item) for item in [
        (0x0008, 0x0005, "CS", "ISO_IR 192"), (0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x0008, 0x0016, "UI", storage), (0x0008, 0x0018, "UI", uid(1)),
        (0x0008, 0x0020, "DA", "20250903"), (0x0008, 0x0021, "DA", "20250903"), (0x0008, 0x0023, "DA", "20250903"),
        (0x0008, 0x0030, "TM", "101500"), (0x0008, 0x0033, "TM", "101512"), (0x0008, 0x0050, "SH", "ACC-0007"),
        (0x0008, 0x0060, "CS", "CT"), (0x0008, 0x0070, "LO", "Invented Instruments"),
        (0x0008, 0x0080, "LO", "Szpital Zmyślony"), (0x0008, 0x0090, "PN", "Nobody^Any"),
        (0x0008, 0x1030, "LO", "Water phantom, quality check"),
        (0x0010, 0x0010, "PN", "Fantom^Próbka"), (0x0010, 0x0020, "LO", "PHANTOM-01"),
        (0x0010, 0x0030, "DA", ""), (0x0010, 0x0040, "CS", "O"),
        (0x0018, 0x0050, "DS", "5.0"), (0x0018, 0x0060, "DS", "120"), (0x0018, 0x1151, "IS", "200"),
        (0x0020, 0x000D, "UI", uid(2)), (0x0020, 0x000E, "UI", uid(3)), (0x0020, 0x0010, "SH", "1"),
        (0x0020, 0x0011, "IS", "1"), (0x0020, 0x0012, "IS", "1"), (0x0020, 0x0013, "IS", "1"),
        (0x0020, 0x0032, "DS", "-110.0\\-110.0\\0.0"), (0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x0020, 0x0052, "UI", uid(4)), (0x0020, 0x1040, "LO", ""),
        (0x0028, 0x0002, "US", short(1)), (0x0028, 0x0004, "CS", "MONOCHROME2"),
        (0x0028, 0x0010, "US", short(size)), (0x0028, 0x0011, "US", short(size)),
        (0x0028, 0x0030, "DS", "1.7323\\1.7323"), (0x0028, 0x0100, "US", short(16)),
        (0x0028, 0x0101, "US", short(12)), (0x0028, 0x0102, "US", short(11)), (0x0028, 0x0103, "US", short(0)),
        (0x0028, 0x1050, "DS", "40"), (0x0028, 0x1051, "DS", "400"),
        (0x0028, 0x1052, "DS", "-1024"), (0x0028, 0x1053, "DS", "1"), (0x0028, 0x1054, "LO", "HU"),
        (0x7FE0, 0x0010, "OW", bytes(pixels)),
    ])
    length = element(2, 0x00, "UL", struct.pack("<I", len(meta)))
    save("phantom.ct.dcm", bytes(128) + b"DICM" + length + meta + data)


if __name__ == "__main__":
    for write in (beispiel, ejemplo, shili, przykladowa, testsson, ccda, hl7v2, dicom):
        write()
