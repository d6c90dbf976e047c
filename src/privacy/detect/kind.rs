//! The families of data that can be found, and sets of them.
//!
//! A kind's name is the id of the rule that redacts it, the word after `detector =` in a policy, and what receipts count by: one line here
//! makes a kind known everywhere.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $placeholder:literal;)*) => {
        /// A family of data. Its name is the id of the rule that redacts it and the word after `detector =` in a policy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];

            /// The name in policies and receipts.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// What stands in for it unless a rule says otherwise.
            pub fn placeholder(self) -> &'static str {
                match self {
                    $(Kind::$kind => $placeholder,)*
                }
            }
        }
    };
}

kinds! {
    /// An e-mail address.
    Email = "email", "[email]";
    /// A telephone number.
    Phone = "phone", "[phone]";
    /// A payment card number.
    Card = "card", "[card]";
    /// An international bank account number.
    Iban = "iban", "[iban]";
    /// An IPv4 or IPv6 address.
    Ip = "ip", "[ip]";
    /// A hardware (MAC) address.
    Mac = "mac", "[mac]";
    /// A US social security number.
    Ssn = "ssn", "[ssn]";
    /// A Spanish identity number (DNI).
    EsDni = "es_dni", "[national-id]";
    /// A Spanish number of a foreigner (NIE).
    EsNie = "es_nie", "[national-id]";
    /// A French social security number (NIR).
    FrNir = "fr_nir", "[national-id]";
    /// An Italian tax code (codice fiscale).
    ItCf = "it_cf", "[national-id]";
    /// A German tax number (Steuer-ID).
    DeTaxId = "de_tax_id", "[national-id]";
    /// A Dutch citizen number (BSN).
    NlBsn = "nl_bsn", "[national-id]";
    /// A Belgian national register number.
    BeNrn = "be_nrn", "[national-id]";
    /// A Polish PESEL.
    PlPesel = "pl_pesel", "[national-id]";
    /// A Swedish personal or coordination number.
    SePersonnummer = "se_personnummer", "[national-id]";
    /// A Finnish personal identity code.
    FiHetu = "fi_hetu", "[national-id]";
    /// A Danish personal number.
    DkCpr = "dk_cpr", "[national-id]";
    /// A Norwegian birth number.
    NoFnr = "no_fnr", "[national-id]";
    /// A Portuguese tax number.
    PtNif = "pt_nif", "[national-id]";
    /// An Austrian insurance number.
    AtSvnr = "at_svnr", "[national-id]";
    /// An Irish public service number.
    IePps = "ie_pps", "[national-id]";
    /// A Czech or Slovak birth number.
    CzRc = "cz_rc", "[national-id]";
    /// A Romanian personal code.
    RoCnp = "ro_cnp", "[national-id]";
    /// A Bulgarian citizen number.
    BgEgn = "bg_egn", "[national-id]";
    /// A Greek insurance number.
    GrAmka = "gr_amka", "[national-id]";
    /// A Croatian personal number.
    HrOib = "hr_oib", "[national-id]";
    /// An Estonian, Latvian or Lithuanian personal code.
    BalticCode = "baltic_code", "[national-id]";
    /// A Swiss insurance number.
    ChAhv = "ch_ahv", "[national-id]";
    /// A Brazilian tax number of a person.
    BrCpf = "br_cpf", "[national-id]";
    /// A Brazilian tax number of a firm.
    BrCnpj = "br_cnpj", "[national-id]";
    /// An Indian Aadhaar number.
    InAadhaar = "in_aadhaar", "[national-id]";
    /// An Indian permanent account number.
    InPan = "in_pan", "[national-id]";
    /// A Canadian social insurance number.
    CaSin = "ca_sin", "[national-id]";
    /// An Australian tax file number.
    AuTfn = "au_tfn", "[national-id]";
    /// An Australian Medicare number.
    AuMedicare = "au_medicare", "[national-id]";
    /// A New Zealand tax number.
    NzIrd = "nz_ird", "[national-id]";
    /// A Mexican population code (CURP).
    MxCurp = "mx_curp", "[national-id]";
    /// A Mexican tax code (RFC).
    MxRfc = "mx_rfc", "[national-id]";
    /// A South African identity number.
    ZaId = "za_id", "[national-id]";
    /// A Singaporean identity number.
    SgNric = "sg_nric", "[national-id]";
    /// A Korean resident registration number.
    KrRrn = "kr_rrn", "[national-id]";
    /// A Chinese resident identity number.
    CnId = "cn_id", "[national-id]";
    /// A Turkish identity number.
    TrTckn = "tr_tckn", "[national-id]";
    /// A Japanese individual number.
    JpMyNumber = "jp_my_number", "[national-id]";
    /// An Icelandic identity number.
    IsKennitala = "is_kennitala", "[national-id]";
    /// A Greek tax number.
    GrAfm = "gr_afm", "[national-id]";
    /// A Hungarian insurance number.
    HuTaj = "hu_taj", "[national-id]";
    /// A personal number of the successors of Yugoslavia.
    Jmbg = "jmbg", "[national-id]";
    /// A Chilean tax number.
    ClRut = "cl_rut", "[national-id]";
    /// An Argentine tax number.
    ArCuit = "ar_cuit", "[national-id]";
    /// A Thai identity number.
    ThId = "th_id", "[national-id]";
    /// An Israeli identity number.
    IlId = "il_id", "[national-id]";
    /// An identity number of Hong Kong.
    HkId = "hk_id", "[national-id]";
    /// A Taiwanese identity number.
    TwId = "tw_id", "[national-id]";
    /// A Malaysian identity number.
    MyNric = "my_nric", "[national-id]";
    /// A Pakistani identity number.
    PkCnic = "pk_cnic", "[national-id]";
    /// A British national insurance number.
    UkNino = "uk_nino", "[national-id]";
    /// A British patient number (NHS).
    UkNhs = "uk_nhs", "[national-id]";
    /// A national id that is known by its label only.
    NationalId = "national_id", "[national-id]";
    /// A US individual taxpayer number.
    UsItin = "us_itin", "[ssn]";
    /// The number of a passport.
    Passport = "passport", "[passport]";
    /// The number of a driver's licence.
    DriverLicense = "driver_license", "[driver-license]";
    /// A date of birth.
    DateOfBirth = "date_of_birth", "[date-of-birth]";
    /// The serial number of a mobile telephone.
    Imei = "imei", "[imei]";
    /// The identification number of a vehicle.
    Vin = "vin", "[vin]";
    /// Coordinates of a place.
    Geo = "geo", "[geo]";
    /// An address of a crypto currency.
    CryptoAddress = "crypto_address", "[crypto-address]";
    /// The number of a bank account, or of a US bank.
    BankAccount = "bank_account", "[bank-account]";
    /// A JSON web token.
    Jwt = "jwt", "[jwt]";
    /// The credentials after `Bearer` or `Basic`.
    Bearer = "bearer", "[token]";
    /// A provider's key or token, known by its prefix.
    ApiKey = "api_key", "[api-key]";
    /// A private key in PEM form.
    PrivateKey = "private_key", "[private-key]";
    /// User information in a URL.
    UrlCredentials = "url_credentials", "[credentials]";
    /// A secret among the parameters of a URL.
    QuerySecret = "query_secret", "[secret]";
    /// A value that the name before it (or of its member) declares a secret.
    SecretKey = "secret_key", "[secret]";
    /// The cookies of a request or response.
    Cookie = "cookie", "[cookie]";
    /// A person's name.
    Person = "person", "[person]";
    /// A postal address, or the street in one.
    PostalAddress = "postal_address", "[address]";
    /// A user's name in the path of a home directory.
    UserPath = "user_path", "[user]";
}

impl Kind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u128);

impl Kinds {
    /// Every kind.
    pub const ALL: Kinds = Kinds((1 << Kind::ALL.len()) - 1);

    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether it holds a kind.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}
