//! Numbers that states give to people: national ids, tax and insurance numbers.
//!
//! Each has written forms (a [`Form`] is one: `999_999_999` are nine digits, together or in threes), a check of its digits and dates, and a topic
//! that announces it. A form whose shape and check leave little to chance needs no announcement; all others need one, of their own
//! country or of national ids altogether. Where several countries' checks agree, the one that is announced gives the name.
//!
//! Does not know numbers without check digits that no form tells apart: see `document`.

mod digits;
mod letters;

use std::sync::LazyLock;

use super::context::Lazy;
use super::number::ends;
use super::topics::Topic;
use super::{Kind, Scan};

/// A CURP or a Chinese number has so many characters.
const LENGTH_MAX: usize = 18;

/// A candidate without its separators.
struct Id {
    letters: [u8; LENGTH_MAX],
    /// Digits as they are, letters as 10 to 35.
    values: [u32; LENGTH_MAX],
    length: usize,
    /// Whether no letter is small.
    capital: bool,
}

impl Id {
    fn of(text: &[u8]) -> Id {
        let mut id = Id { letters: [0; LENGTH_MAX], values: [0; LENGTH_MAX], length: 0, capital: true };
        let slots = id.letters.iter_mut().zip(id.values.iter_mut());
        for (b, (letter, value)) in text.iter().filter(|b| b.is_ascii_alphanumeric()).zip(slots) {
            *letter = b.to_ascii_uppercase();
            *value = char::from(*b).to_digit(36).unwrap_or(0);
            id.length += 1;
            id.capital &= letter == b;
        }
        id
    }

    fn has_letters(&self) -> bool {
        self.values.iter().any(|value| *value > 9)
    }

    fn value(&self, at: usize) -> u32 {
        self.values.get(at).copied().unwrap_or(0)
    }
}

/// One way to write a number: `9` is a digit, `A` a letter, `*` either, `_` a separator that may be missing (then all are), and anything
/// else itself.
struct Form {
    text: &'static str,
    kind: Kind,
    topic: Topic,
    check: fn(&Id) -> bool,
    need: Need,
}

/// What has to announce a number besides its check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// Nothing, in capital letters.
    Capitals,
    /// Nothing, unless the year is one of late: then it may be the date of anything.
    PastYear,
    Label,
}

macro_rules! forms {
    ($($text:literal $kind:ident $topic:ident $($check:ident)::+ $need:ident;)*) => {
        &[$(Form { text: $text, kind: Kind::$kind, topic: Topic::$topic, check: $($check)::+, need: Need::$need }),*]
    };
}

/// The first form that fits gives the name where no country is announced.
const FORMS: &[Form] = forms! {
    "AA_99_99_99_A"       UkNino Nino letters::uk_nino Capitals;
    "999 999 9999"        UkNhs Nhs digits::uk_nhs Label;
    "999-999-9999"        UkNhs Nhs digits::uk_nhs Label;
    "9999999999"          UkNhs Nhs digits::uk_nhs Label;
    "999-99-9999"         UsItin Ssn digits::us_itin Nothing;
    "999_99_9999"         UsItin Ssn digits::us_itin Label;
    "99999999A"           EsDni Es letters::es_dni Capitals;
    "99999999-A"          EsDni Es letters::es_dni Capitals;
    "99999999 A"          EsDni Es letters::es_dni Label;
    "99.999.999-A"        EsDni Es letters::es_dni Capitals;
    "99.999.999A"         EsDni Es letters::es_dni Capitals;
    "A_9999999_A"         EsNie Es letters::es_nie Capitals;
    "A9999999-A"          EsNie Es letters::es_nie Capitals;
    "9_99_99_99_999_999_99" FrNir Fr digits::fr_nir Nothing;
    "9999999999999_99"    FrNir Fr digits::fr_nir Nothing;
    "9_99_99_9A_999_999_99" FrNir Fr digits::fr_nir Capitals;
    "999999A999999_99"    FrNir Fr digits::fr_nir Capitals;
    "AAA_AAA_**A**_A***A" ItCf It letters::it_cf Nothing;
    "AAAAAA_**A**_A***A"  ItCf It letters::it_cf Nothing;
    "99_999_999_999"      DeTaxId De digits::de_tax_id Label;
    "999_999_999_99"      DeTaxId De digits::de_tax_id Label;
    "999_999_999"         NlBsn Nl digits::nl_bsn Label;
    "9999_99_999"         NlBsn Nl digits::nl_bsn Label;
    "99.99.99-999.99"     BeNrn Be digits::be_nrn Nothing;
    "99_99_99_999_99"     BeNrn Be digits::be_nrn Label;
    "999999_999_99"       BeNrn Be digits::be_nrn Label;
    "99999999999"         PlPesel Pl digits::pl_pesel Label;
    "999999-9999"         SePersonnummer Se digits::se_personnummer PastYear;
    "99999999-9999"       SePersonnummer Se digits::se_personnummer PastYear;
    "999999_9999"         SePersonnummer Se digits::se_personnummer Label;
    "99999999_9999"       SePersonnummer Se digits::se_personnummer Label;
    "999999+9999"         SePersonnummer Se digits::se_personnummer Nothing;
    "999999-999*"         FiHetu Fi letters::fi_hetu Capitals;
    "999999+999*"         FiHetu Fi letters::fi_hetu Capitals;
    "999999A999*"         FiHetu Fi letters::fi_hetu Capitals;
    "999999_9999"         DkCpr Dk digits::dk_cpr Label;
    "999999_99999"        NoFnr No digits::no_fnr Nothing;
    "999_999_999"         PtNif Pt digits::pt_nif Label;
    "9999_999999"         AtSvnr At digits::at_svnr Label;
    "9999_99_99_99"       AtSvnr At digits::at_svnr Label;
    "9999999A"            IePps Ie letters::ie_pps Label;
    "9999999AA"           IePps Ie letters::ie_pps Label;
    "999999/9999"         CzRc Cz digits::cz_rc PastYear;
    "999999/999"          CzRc Cz digits::cz_rc Label;
    "9999999999"          CzRc Cz digits::cz_rc Label;
    "9999999999999"       RoCnp Ro digits::ro_cnp Label;
    "9999999999"          BgEgn Bg digits::bg_egn Label;
    "99999999999"         GrAmka Gr digits::gr_amka Label;
    "99999999999"         HrOib Hr digits::hr_oib Label;
    "99999999999"         BalticCode Baltic digits::baltic_code Label;
    "999999_99999"        BalticCode Baltic digits::lv_code Label;
    "756.9999.9999.99"    ChAhv Ch digits::ch_ahv Nothing;
    "756_9999_9999_99"    ChAhv Ch digits::ch_ahv Nothing;
    "999.999.999-99"      BrCpf Br digits::br_cpf Nothing;
    "99999999999"         BrCpf Br digits::br_cpf Label;
    "999999999-99"        BrCpf Br digits::br_cpf Label;
    "99.999.999/9999-99"  BrCnpj Br digits::br_cnpj Nothing;
    "99999999999999"      BrCnpj Br digits::br_cnpj Label;
    "9999_9999_9999"      InAadhaar In digits::in_aadhaar Label;
    "AAAAA9999A"          InPan In letters::in_pan Capitals;
    "999_999_999"         CaSin Ca digits::ca_sin Label;
    "999_999_999"         AuTfn Au digits::au_tfn Label;
    "99_999_999"          AuTfn Au digits::au_tfn Label;
    "9999_99999_9"        AuMedicare Au digits::au_medicare Label;
    "9999_99999_9_9"      AuMedicare Au digits::au_medicare Label;
    "9999 99999 9/9"      AuMedicare Au digits::au_medicare Label;
    "99_999_999"          NzIrd Nz digits::nz_ird Label;
    "999_999_999"         NzIrd Nz digits::nz_ird Label;
    "AAAA999999AAAAAA**"  MxCurp Mx letters::mx_curp Nothing;
    "AAAA_999999_***"     MxRfc Mx letters::mx_rfc Capitals;
    "AAAA_999999_***"     MxRfc Mx letters::is_mx_shaped Label;
    "AAA_999999_***"      MxRfc Mx letters::is_mx_shaped Label;
    "999999_9999_99_9"    ZaId Za digits::za_id Label;
    "A9999999A"           SgNric Sg letters::sg_nric Capitals;
    "999999-9999999"      KrRrn Kr digits::kr_rrn Nothing;
    "999999_9999999"      KrRrn Kr digits::is_kr_shaped Label;
    "99999999999999999*"  CnId Cn letters::cn_id Nothing;
    "999999_9999"         IsKennitala Is digits::is_kennitala Label;
    "999_999_999"         GrAfm GrTax digits::gr_afm Label;
    "999_999_999"         HuTaj Hu digits::hu_taj Label;
    "9999999999999"       Jmbg Yu digits::jmbg Label;
    "99.999.999-*"        ClRut Cl letters::cl_rut Nothing;
    "9.999.999-*"         ClRut Cl letters::cl_rut Nothing;
    "99999999-*"          ClRut Cl letters::cl_rut Label;
    "9999999-*"           ClRut Cl letters::cl_rut Label;
    "99999999*"           ClRut Cl letters::cl_rut Label;
    "99-99999999-9"       ArCuit Ar digits::ar_cuit Nothing;
    "99_99999999_9"       ArCuit Ar digits::ar_cuit Label;
    "9-9999-99999-99-9"   ThId Th digits::th_id Nothing;
    "9_9999_99999_99_9"   ThId Th digits::th_id Label;
    "999999999"           IlId Il digits::il_id Label;
    "99999999-9"          IlId Il digits::il_id Label;
    "A999999(9)"          HkId Hk letters::hk_id Capitals;
    "A999999(A)"          HkId Hk letters::hk_id Capitals;
    "A999999*"            HkId Hk letters::hk_id Label;
    "A999999999"          TwId Tw letters::tw_id Capitals;
    "999999-99-9999"      MyNric My digits::my_nric Nothing;
    "999999_99_9999"      MyNric My digits::my_nric Label;
    "99999-9999999-9"     PkCnic Pk digits::pk_cnic Nothing;
    "9999999999999"       PkCnic Pk digits::pk_cnic Label;
    "999_999_999_99"      TrTckn Tr digits::tr_tckn Label;
    "9999_9999_9999"      JpMyNumber Jp digits::jp_my_number Label;
};

/// A form, and how long its second word is; any length where all of it is one word.
type Start = (Option<usize>, &'static Form);

/// Forms by the length of their first word, and whether that starts with a letter.
static BY_FIRST_WORD: LazyLock<[[Vec<Start>; LENGTH_MAX + 1]; 2]> = LazyLock::new(|| {
    let mut by_word: [[Vec<Start>; LENGTH_MAX + 1]; 2] = Default::default();
    let mut add = |form: &'static Form, text: &str| {
        let mut words = text.split(|c: char| !is_place(c));
        let first = words.next().map_or(0, str::len);
        let letter = usize::from(text.starts_with('A'));
        if let Some(starts) = by_word.get_mut(letter).and_then(|by_length| by_length.get_mut(first)) {
            starts.push((words.next().map(str::len), form));
        }
    };
    for form in FORMS {
        add(form, form.text);
        if form.text.contains('_') {
            add(form, &form.text.replace('_', ""));
        }
    }
    by_word
});

/// Whether a byte of a form stands for a digit or letter, itself or another.
fn is_place(place: char) -> bool {
    place.is_ascii_alphanumeric() || place == '*'
}

/// The national id whose first word starts at `start` and has `length` characters.
pub(super) fn find(scan: &Scan<'_>, start: usize, length: usize, context: &Lazy<'_, '_>) -> Option<(Kind, usize)> {
    let letter = usize::from(scan.at(start).is_ascii_alphabetic());
    let starts = BY_FIRST_WORD.get(letter)?.get(length)?;
    let next = scan.at(start + length);
    let second = if is_separator(next) || next == b'(' { word_length(scan, start + length + 1) } else { 0 };
    let mut found = None;
    for (_, form) in starts.iter().filter(|(wanted, _)| wanted.is_none_or(|wanted| wanted == second)) {
        if matches!(form.need, Need::Label)
            && !context.get().tells(form.topic)
            && !context.get().tells(Topic::NationalId)
        {
            continue;
        }
        let Some(end) = form.end(scan, start) else { continue };
        let id = Id::of(scan.slice(start, end));
        if !ends(scan, end) || !(form.check)(&id) {
            continue;
        }
        let context = context.get();
        if context.tells(form.topic) {
            return Some((form.kind, end));
        }
        // Orders and transactions have numbers of all kinds, but none with letters at just these places.
        let other = context.last.has(Topic::Other) && !id.has_letters();
        let sure = form.is_sure(&id) && !other || context.tells(Topic::NationalId);
        if found.is_none() && sure {
            found = Some((form.kind, end));
        }
    }
    found
}

fn is_separator(b: u8) -> bool {
    matches!(b, b' ' | b'-' | b'.' | b'/' | b'+')
}

fn word_length(scan: &Scan<'_>, i: usize) -> usize {
    scan.run_end(i, i + LENGTH_MAX, |b| b.is_ascii_alphanumeric()) - i
}

impl Form {
    /// Where what starts at `start` ends, if it has this form.
    fn end(&self, scan: &Scan<'_>, start: usize) -> Option<usize> {
        let mut separated = None;
        let mut blank = false;
        let mut at = start;
        for place in self.text.bytes() {
            let b = scan.at(at);
            let fits = match place {
                b'9' => b.is_ascii_digit(),
                b'A' => b.is_ascii_alphabetic(),
                b'*' => b.is_ascii_alphanumeric(),
                b'_' => {
                    let separator = is_separator(b);
                    if *separated.get_or_insert(separator) != separator {
                        return None;
                    }
                    blank |= b == b' ';
                    at += usize::from(separator);
                    continue;
                }
                _ => b == place,
            };
            if !fits {
                return None;
            }
            at += 1;
        }
        // After blanks, another group of digits makes it a longer number.
        let goes_on =
            blank && scan.at(at) == b' ' && scan.at(at + 1).is_ascii_digit() && scan.at(at - 1).is_ascii_digit();
        (!goes_on).then_some(at)
    }

    fn is_sure(&self, id: &Id) -> bool {
        match self.need {
            Need::Nothing => true,
            Need::Capitals => id.capital,
            Need::PastYear => !matches!(id.two(id.length - 10), 15..=35),
            Need::Label => false,
        }
    }
}
