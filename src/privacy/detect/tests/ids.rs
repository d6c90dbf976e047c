//! Ids of people and things: national ids, documents, dates of birth, devices, places, wallets.

use super::*;

/// Each number under its country's label has that country's kind; the number with another last digit and without a label is none.
#[test]
fn a_national_id_is_known_by_its_check_and_label() {
    for (kind, text, id) in [
        (Kind::EsDni, "DNI: ", "14225607S"),
        (Kind::EsNie, "mi NIE es ", "X5069330S"),
        (Kind::FrNir, "numéro de sécurité sociale ", "1 81 11 2B 301 236 82"),
        (Kind::FrNir, "NIR ", "181112B30123682"),
        (Kind::ItCf, "codice fiscale ", "MSWZIV16R22I042G"),
        (Kind::DeTaxId, "Steuer-ID: ", "38 648 281 094"),
        (Kind::DeTaxId, "Steueridentifikationsnummer (IdNr.) ", "38648281094"),
        (Kind::NlBsn, "BSN ", "856467790"),
        (Kind::BeNrn, "rijksregisternummer ", "59.08.09-462.78"),
        (Kind::PlPesel, "PESEL: ", "62081356878"),
        (Kind::SePersonnummer, "personnummer ", "630104-6758"),
        (Kind::FiHetu, "henkilötunnus: ", "270241Y7626"),
        (Kind::NoFnr, "fødselsnummer ", "04076807758"),
        (Kind::PtNif, "contribuinte nº ", "178 090 778"),
        (Kind::AtSvnr, "SVNR ", "3067 020544"),
        (Kind::IePps, "PPSN: ", "4245181EB"),
        (Kind::CzRc, "rodné číslo ", "640523/2130"),
        (Kind::RoCnp, "CNP ", "1501207296437"),
        (Kind::BgEgn, "EGN ", "9812097166"),
        (Kind::GrAmka, "AMKA ", "11064738328"),
        (Kind::GrAfm, "AFM ", "199897034"),
        (Kind::HrOib, "OIB: ", "40526130561"),
        (Kind::BalticCode, "isikukood ", "45107189490"),
        (Kind::ChAhv, "AHV-Nummer ", "756.4723.6135.94"),
        (Kind::BrCpf, "CPF ", "240.596.993-90"),
        (Kind::BrCnpj, "CNPJ ", "72.676.196/9333-08"),
        (Kind::InAadhaar, "Aadhaar ", "2925 8684 8010"),
        (Kind::InPan, "PAN ", "NCDBR1195H"),
        (Kind::CaSin, "SIN ", "364 494 351"),
        (Kind::AuTfn, "TFN ", "229 068 156"),
        (Kind::NzIrd, "IRD number ", "50-987-140"),
        (Kind::MxCurp, "CURP ", "FAJR771024MDFBCC03"),
        (Kind::MxRfc, "RFC ", "QVN990910EVA"),
        (Kind::ZaId, "South African ID ", "9704089041170"),
        (Kind::KrRrn, "RRN ", "470712-2874203"),
        (Kind::CnId, "身份证号 ", "110105198506260934"),
        (Kind::TrTckn, "TC Kimlik No: ", "20280058140"),
        (Kind::UkNhs, "NHS number ", "199 575 8647"),
        (Kind::UkNino, "NI number: ", "AB 12 34 56 C"),
        (Kind::UkNino, "nino=", "ab123456c"),
        (Kind::JpMyNumber, "マイナンバー ", "998495647472"),
        (Kind::IsKennitala, "kennitala ", "280653-0470"),
        (Kind::Jmbg, "JMBG ", "0101942944960"),
        (Kind::ClRut, "RUT ", "44801775-3"),
        (Kind::ArCuit, "CUIT ", "23-08573189-0"),
        (Kind::ThId, "Thai ID ", "2124959440495"),
        (Kind::IlId, "israeli id ", "021952700"),
        (Kind::UsItin, "ITIN ", "912-70-1234"),
        (Kind::HkId, "HKID ", "A123456(3)"),
        (Kind::TwId, "Taiwan ID ", "A123456789"),
    ] {
        let told = format!("{text}{id}, ok");
        assert_eq!(found(&told), [(kind, id)], "{told}");
    }
}

#[test]
fn forms_that_leave_nothing_to_chance_need_no_label() {
    for (kind, id) in [
        (Kind::ItCf, "MSWZIV16R22I042G"),
        (Kind::FrNir, "181112B30123682"),
        (Kind::BrCpf, "240.596.993-90"),
        (Kind::BeNrn, "59.08.09-462.78"),
        (Kind::SePersonnummer, "630104-6758"),
        (Kind::FiHetu, "270241Y7626"),
        (Kind::NoFnr, "04076807758"),
        (Kind::ChAhv, "756.4723.6135.94"),
        (Kind::CnId, "110105198506260934"),
        (Kind::MxCurp, "FAJR771024MDFBCC03"),
        (Kind::UkNino, "AB123456C"),
        (Kind::KrRrn, "470712-2874203"),
    ] {
        assert_eq!(found(&format!("skipped {id} again")), [(kind, id)], "{id}");
    }
}

#[test]
fn numbers_that_are_like_national_ids_stay() {
    for text in [
        // No label.
        "took 856467790 ns, 38648281094 bytes, epoch 1501207296437, 2925 8684 8010",
        "364 494 351 rows in 178 090 778 ms",
        // A label, and wrong check digits under a word that may mean anything else.
        "pps 1234567, rc 123456/7, sin 364494352, cf-ray 8f1c2d3e4a5b6c7d-FRA, ni 3",
        // Another label stands nearer.
        "SIN verified for order 364494351",
        // Wrong check letters.
        "DNA 14225607T, X5069330T, MSWZIV16R22I042H, 270241Y762A",
        // The days of the week that a serial of today would have.
        "ticket 260412-0003 and 260412-0011",
        "AB123456C7 xAB123456C ID-AB123456C GB123456A",
        // Two dates.
        "2026-11-22 2026-11-23 20261122 20261123",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn what_a_name_calls_a_national_id_goes_even_with_a_wrong_check_digit() {
    for (name, id) in [
        ("national_id", "AB-1234567"),
        ("personnummer", "630104-6759"),
        ("taxId", "12345678901"),
        ("nationalId", "1.234.567"),
    ] {
        assert_eq!(found_under(name, id), [(Kind::NationalId, id)], "{name}");
    }
    assert_eq!(found_under("tax_rate", "12345.678901"), []);
    assert_eq!(found_under("national_id_checked", "true"), []);
}

#[test]
fn documents_are_known_by_their_label() {
    check(
        Kind::Passport,
        &[
            "passport number: «C01234567», issued",
            "Reisepass-Nr. «C01X00T47»",
            "applicant passport «H18962979» expires 2031",
            "Passport #: <b>«963545637»</b>",
            "passport control took 12 s, passport 2.0.1",
            "passport renewal fee 130.00, the passport of 2031",
        ],
    );
    check(
        Kind::DriverLicense,
        &[
            "driver's license «D1234567» on file",
            "license number (driver)=«K017-878-16-431-6»",
            "Driving licence: «MORGA657054SM9IJ».",
            "found «MORGA657054SM9IJ» twice",
            "DL «S 131 369 295 858» ok",
            "Führerscheinnummer «B072RRE2I55»",
            "licensed under Apache-2.0, license MIT 2026, license: 2.0.1",
            "duplicate 12345678 in public 1234567",
        ],
    );
    check(Kind::BankAccount, &["account number «000123456789», routing «021000021»", "Kontonummer: «532013000»"]);
    assert_eq!(found("routing 021000022 to node 7"), []);
    assert_eq!(found_under("passport", "963545637"), [(Kind::Passport, "963545637")]);
}

#[test]
fn dates_of_birth_are_told_from_other_dates_by_their_label() {
    check(
        Kind::DateOfBirth,
        &[
            "born on «March 3, 1980» in Rome",
            "born «6 November 1963», insured since 2019",
            "DOB: «03/31/1980»",
            "geboren am «3.3.1980» und",
            "ich bin am «3. März 1980» geboren",
            "née le «3 mars 1980»",
            "fecha de nacimiento: «3 de marzo de 1980»",
            "date of birth \"«1980-03-03»\"",
            "dob=«19800303» ok",
            "birthday «03-Mar-1980»",
            "data di nascita «1980/3/3»",
            "生年月日: «1980年3月3日»",
            "patient born «1949-07-11», admitted 2024-08-24",
            "<birthDate>«1987-10-25T00:00:00Z»</birthDate>",
            "created 1980-03-03, due 3/3/1980, March 3, 1980",
            "born digital archive 2026-07-20",
            "dob verified, updated 2026-11-22T13:15:00Z",
            "born 12:30, version 3.3.19801",
        ],
    );
    for name in ["dob", "birth_date", "dateOfBirth", "birthday", "fecha_nacimiento", "date-naissance", "geburtsdatum"] {
        assert_eq!(found_under(name, "1980-03-03"), [(Kind::DateOfBirth, "1980-03-03")], "{name}");
    }
    assert_eq!(found_under("birth_place", "Rome 12"), []);
}

#[test]
fn devices() {
    check(
        Kind::Imei,
        &[
            "IMEI «490154203237518»",
            "imei: «49-015420-323751-8»;",
            "imei_no=«86 459746 921227 8»",
            "490154203237518 without a label",
        ],
    );
    check(
        Kind::Vin,
        &[
            "decode «1HGCM82633A004352» now",
            "VIN «WBA1U1UF74X927522»",
            "WBA1U1UF84X927522 1HGCM82643A004352 and ABCDEFGHJKLMNPRST",
        ],
    );
}

#[test]
fn coordinates() {
    check(
        Kind::Geo,
        &[
            "driver at lat=«51.56856» lon=«-60.8635782» speed=12",
            "geo:«59.3293,18.0686»",
            "GET /nearby?lat=«-6.7442»&lng=«-129.4973412»&r=500",
            "position: «59.436483 -152.15890»",
            "at «59.3293° N, 18.0686° E»",
            "«59°15'40.0\"N 51°33'32.0\"E»",
            "https://maps.example.com/@«59.3293,18.0686»,15z",
            "lat 12 ms, latency=12.3456 lat=0.5; 21.5°C",
            "translate(59.3293, 18.0686) v1.2.3 position 12",
        ],
    );
    assert_eq!(found_under("latitude", "-33.8688"), [(Kind::Geo, "-33.8688")]);
    assert_eq!(found_under("avg_latency", "33.8688"), []);
}

#[test]
fn addresses_of_wallets() {
    check(
        Kind::CryptoAddress,
        &[
            "to «1BoatSLRHtKNngkdXEeobR76b53LETtpyT» sent",
            "«3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy»",
            "«bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4»",
            "«0x52908400098527886E0F7030069857D2E4169EE7» and «0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae»",
            "xrp «rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh»",
            "«TN3W4H6rK2ce4vX9YnFQHwKENnHjoxb3m9»",
            "1BoatSLRHtKNngkdXEeobR76b53LETtpyU bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae00 de0b295669a9fd93d5f28d9ec85e40f4cb697bae 0x7f3a",
            "0x0000000000000000000000000000000000000000",
        ],
    );
}

#[test]
fn cards_in_all_their_forms() {
    check(
        Kind::Card,
        &[
            "charge «4111  1111  1111  1111», «4111 - 1111 - 1111 - 1111», «4111.1111.1111.1111»",
            "Mir «2200 0053 3881 4976», RuPay «6069-7569-1250-0776»",
            "card «411111 1111111111»",
            "INSERT INTO payments (card_no, amount) VALUES ('«2201188762258057»', 3012.16)",
            "order 4111111111111111, transaction 4111111111111111",
            "4111.1111.1111.1112",
        ],
    );
    assert_eq!(found_under("order_id", "4111111111111111"), []);
    assert_eq!(found_under("card_number", "6304000000000000001"), []);
    assert_eq!(found_under("acct", "4111111111111111"), [(Kind::Card, "4111111111111111")]);
}

#[test]
fn telephones_of_many_countries() {
    check(
        Kind::Phone,
        &[
            "tel «030/1234567», Fax «0711/123-456»",
            "call me «(020) 7946 0958»",
            "ring mig på «(601) 2844273»",
            "Telefonnummer: «0171 2345678»",
            "téléphone «06 12 16 90 22»",
            "電話番号: «03-1234-5678»",
            "from 030/1234567 to (020) 7946",
        ],
    );
}
