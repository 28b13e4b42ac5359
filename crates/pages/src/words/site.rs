//! Words of the frame around every page, and of what all roles share.

terms! {
    SKIP_TO_CONTENT "Skip to the content" "Zum Inhalt springen";
    MAIN_MENU "Main menu" "Hauptmenü";
    LANGUAGE "Language" "Sprache";
    ROLE_PATIENT "Patient" "Patient";
    ROLE_HOSPITAL "Hospital" "Krankenhaus";
    ROLE_AGENT "Agent" "Agent";
    ROLE_RESEARCHER "Research" "Forschung";
    ROLE_AUDITOR "Audit" "Prüfung";
    FOOT_PATIENT "This page is served by your own device. Your keys do not leave it." "Diese Seite kommt von Ihrem eigenen Gerät. Ihre Schlüssel verlassen es nicht.";
    FOOT_OTHERS "This page is served by this machine, for this browser alone." "Diese Seite kommt von diesem Gerät, nur für diesen Browser.";
    // purposes
    PURPOSE_TREATMENT "treatment" "Behandlung";
    PURPOSE_EMERGENCY "treatment in an emergency" "Behandlung im Notfall";
    PURPOSE_RESEARCH "research" "Forschung";
    PURPOSE_PUBLIC_HEALTH "public health" "öffentliche Gesundheit";
    PURPOSE_COVERAGE "insurance cover" "Versicherungsschutz";
    PURPOSE_PATIENT_REQUEST "at the patient’s own request" "auf eigenen Wunsch der Patientin oder des Patienten";
    PURPOSE_UNKNOWN "not stated" "nicht angegeben";
    // classes of data
    CLASS_LABORATORY "laboratory results" "Laborwerte";
    CLASS_VITAL_SIGNS "vital signs" "Vitalwerte";
    CLASS_MEDICATION "medication" "Medikamente";
    CLASS_IMAGING "imaging" "Bildgebung";
    CLASS_CONDITION "diagnoses" "Diagnosen";
    CLASS_ALLERGY "allergies" "Allergien";
    CLASS_IMMUNIZATION "immunisations" "Impfungen";
    CLASS_PROCEDURE "procedures" "Behandlungen";
    CLASS_ENCOUNTER "visits" "Besuche";
    CLASS_DOCUMENT "documents" "Dokumente";
    CLASS_SKELETON "frame of the record" "Rahmen der Akte";
    CLASS_EMERGENCY "emergency data" "Notfalldaten";
    CLASS_OTHER "other data" "andere Daten";
    CLASS_SENSITIVE "specially protected data" "besonders geschützte Daten";
    // operations
    PROOF "Proof" "Nachweis";
    VERIFY "Verify" "Prüfen";
    VERIFY_THIS "Verify the entry of {0}" "Eintrag vom {0} prüfen";
    LOG_ENTRY "Log entry" "Protokolleintrag";
    WHO "Who" "Wer";
    WHEN_IT_WAS "When" "Wann";
    WHAT_IT_WAS "What" "Was";
    WHY "Why" "Warum";
    RECORD "Record" "Akte";
    RESULT "Result" "Ergebnis";
    DONE "done" "ausgeführt";
    REFUSED "refused" "abgelehnt";
    SAVE_FILE "Save the file" "Datei speichern";
    OLDER "Older entries" "Ältere Einträge";
    MORE "More entries" "Weitere Einträge";
    NOTHING_YET "Nothing here yet." "Hier ist noch nichts.";
    UNKNOWN_ACCOUNT "unknown account {0}" "unbekanntes Konto {0}";
    NOT_FOUND "There is no such page, or it is not for you." "Diese Seite gibt es nicht, oder sie ist nicht für Sie.";
    NOT_DONE_TITLE "That did not work" "Das hat nicht funktioniert";
    BACK "Back" "Zurück";
    TIER "Tier {0}" "Stufe {0}";
    RANK "Rank" "Rang";
    VERSION_NUMBER "Version {0}" "Version {0}";
    REVIEWS_GOOD "accepted" "angenommen";
    REVIEWS_BAD "complaints" "beanstandet";
    SCORE "Score" "Punktzahl";
    HOSPITAL "Hospital" "Krankenhaus";
    CREDIT "Credit" "Guthaben";
    BALANCE "Balance" "Guthaben";
    VOUCHERS "Vouchers" "Gutscheine";
}
