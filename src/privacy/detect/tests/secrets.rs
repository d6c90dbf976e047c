//! Secrets: by their form, by where they stand, by what is said before them.

use super::super::provider::{Alphabet, FORMS};
use super::*;

/// A body of that length and alphabet, from a generator that is always the same.
fn body(alphabet: Alphabet, length: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as u8 & 0x7f
    };
    let plain = |b: &u8| b.is_ascii_alphanumeric() && alphabet.holds(*b);
    let mut body: Vec<u8> = std::iter::repeat_with(&mut next).filter(plain).take(length).collect();
    if alphabet == Alphabet::Uuid {
        for at in [8, 13, 18, 23] {
            body[at] = b'-';
        }
    }
    String::from_utf8(body).unwrap()
}

#[test]
fn a_key_of_every_provider_is_found_whole_wherever_it_stands() {
    for (at, form) in FORMS.iter().enumerate() {
        // Some bodies are not mixed enough by chance; a real form that was never found would fail for every seed.
        let found = (0..8).filter(|seed| {
            let length = form.min.midpoint(form.max.min(120.max(form.min)));
            let key = format!("{}{}", form.prefix, body(form.body, length, at as u64 * 8 + seed + 1));
            [format!("using {key} for it"), format!("['{key}', 1]"), format!("x={key}")]
                .iter()
                .all(|text| super::found(text).iter().any(|(_, found)| *found == key))
        });
        assert!(found.count() >= 5, "{} {}", form.provider, form.prefix);
    }
}

#[test]
fn what_only_begins_like_a_key_stays() {
    for form in FORMS.iter().filter(|form| form.body != Alphabet::Base32) {
        let word = "something".repeat(form.max.div_ceil(9));
        for length in [1, form.min, form.max] {
            let text = format!("see {}{} there", form.prefix, &word[..length]);
            assert_eq!(found(&text), [], "{text}");
        }
    }
    for text in [
        "AKIA ghp_short skip_this SKU-12 sk-learn-something-long-enough SK hynix AC1234",
        "sk-learn-2024-01-01-release-notes tg_0011223344556677 s.getSomethingV2FromCache2",
        "npm_lifecycle_event hf_token re_export_everything_from_index fc-cache",
        "00000000000000000000000000000000-us1 a8f5f167f44f4964e6c998dee827110c-9f86d081",
        "12345678:AB 1234567890123456|short 1//0short",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn tokens_and_keys() {
    check(
        Kind::Jwt,
        &[
            "expired: «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI5ODYifQ.pfec4TY0xJA6auu», eyJ not",
            "token-«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI5ODYifQ.x»",
            "got «eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4.XFBoMYUZodetZdvT» here",
        ],
    );
    check(
        Kind::Bearer,
        &["got Bearer «60cde69bfb0974959» and Bearer «user-token-SECRET»", "use Basic «YW5uOnNlY3JldA==» here"],
    );
    check(
        Kind::Bearer,
        &["Bearer token expired", "the bearer of bad news", "Basic training completed", "Bearer <token>"],
    );
    check(
        Kind::ApiKey,
        &[
            "for «AKIAIOSFODNN7EXAMPLE»",
            "key «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», «sk-ant-api03-PGnyLuM6nEBIKg8YZQn1Ijfkdt3otU1W»",
            "bot «6200762106:AAN_D0MTw9wUNQfyDOgf4Q-HvBnea0cJwyf»",
            "app «1234567890123456|aBcD3fGhIjKlMn0pQrStUvWxYz1»",
            "https://hooks.slack.com/services/«T8S064GHFGS/BNDSDZTR2PD/UU9ZS34ERTAuG6mgbhqR7ivG» x",
            "https://acme.webhook.office.com/«webhookb2/9b7f@1c2d/IncomingWebhook/aa11/bb22» x",
            "«MTA5NDk4NDM3NzE4NTY4MTQyMA.GxYz12.aBcD3fGhIjKlMn0pQrStUvWxYz1-3a» joined",
            "mail «9f86d081884c7d659a2feaa0c55ad015-us12», «9f86d081884c7d659a2feaa0c55ad015-1b2c3d4e-5f6a7b8c».",
            "app «aB38Q~x1Y2z3aBcD3fGhIjKlMn0pQrStUvWx5» at Microsoft",
            "«AKIAIOSFODNN7EXAMPLE»,«wJalrXUtnFEMI/K7MDENG/bPxRfiCYzX4mP1LeKE»",
            "pair «AKIAIOSFODNN7EXAMPLE» and a digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        ],
    );
    let own = format!("tg_0011223344556677_{}", "0af3".repeat(16));
    assert_eq!(found(&own), [(Kind::ApiKey, own.as_str())]);
}

#[test]
fn private_keys() {
    check(
        Kind::PrivateKey,
        &[
            "key: «-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----» end",
            "«-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl»",
            "«-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----».",
            "«---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\nP2/56wAAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----»",
            "...«\nQx4fJTiMA4SI+MtiCSXNy7sUa6IX8v8C3d5Z8OOO6FSP5x9G4wU2HFCp7mlLHsLg\n-----END EC PRIVATE KEY-----» tail",
            "«PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nAAAAIG\nPrivate-MAC: 0a1b» end",
            "key «MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF» end",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
            "----- ---- -----END of the private part----- PuTTY is an SSH client",
        ],
    );
}

#[test]
fn secrets_in_urls() {
    check(
        Kind::UrlCredentials,
        &[
            "postgres://svc_app:«dragon00»@db-1.prod.internal/x",
            "redis://:«p@ss»@cache:6379",
            "postgres://ann:«winter/time#1»@db/x",
            "https://«0123456789abcdef»@o1.ingest.example.com/2",
            "ann:«wintertime»@tcp(db:3306)/x",
            "jdbc:oracle:thin:scott/«tiger99»@//db:1521/orcl",
            "ssh://git@github.com/acme/x.git http://host:8080/a@b",
            "https://svc:[credentials]@host/ http://host:PORT/@scope",
        ],
    );
    check(
        Kind::QuerySecret,
        &[
            "https://x.test/reset?token=«pVNdr8n-3bjbOuAMIQE16vkc9RfQDnW2PLgQl2B1PA»&a=1",
            "/login?user=1&password=«nlyMU7Hj2J»",
            "/cb?code=«h8VIBiuEcu4sL5oN8YZwp8JV»&state=oyYND8tS",
            "/cb#access_token=«abcDEF123ghiJKL456»&token_type=bearer",
            "?X-Amz-Signature=«fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024»&a=1",
            "?sv=2020&sig=«abcDEF123ghiJKL456mnoPQR789stuVWX%3D»",
            "/x?key=«018d948b-d264-7102-8c36-ec7e95a6ad20»&page=2",
            "http_requests_total{method=\"PUT\",code=\"200\"} 7623981248",
            "/x?page=2&sort=asc&next_page_token=CAUQAA12345678901234&id=018d948b-d264-7102-8c36-ec7e95a6ad20",
        ],
    );
}

#[test]
fn what_a_name_declares_secret() {
    check(
        Kind::SecretKey,
        &[
            "Authorization: Bearer «x9»",
            "Authorization: SSWS «00QCjAl4MlV-WPXM0x4uwhWrj9zzyxw»",
            "metadata: authorization=[Bearer «duDFjZGDunRPEN16Df9T»]",
            "curl -H 'X-Api-Key: «k3y-value»' https://x.test",
            "curl -H \"Authorization: Bearer «yanjqDTKcimxQ1QthOZ=»\" https://x.test",
            "AWS_SECRET_ACCESS_KEY=«sECAtE9hFip4I8G4SUaRak0GmybAOfWQlreBtVVq»",
            "body={\"username\":\"x\",\"password\":\"«Monkey 61\\\"x»\",\"n\":1}",
            "{\\\"client_secret\\\": \\\"«abc»\\\"}",
            "password: «hunter2» and dbPassword=«x»;",
            "AccountName=acme;AccountKey=«e4pG9ys8aQd1w4MRvLPO==»;End",
            "Authorization: Digest «username=\"ann\", realm=\"x\"»",
            "UPDATE users SET password='«wintertime»' WHERE id=3",
            "'password' => '«wintertime»',",
            "db:\n  user: x\n  password: «wintertime»\n  port: 1",
            "- name: SIGNING_SECRET\n  value: \"«wintertime»\"",
            "<add key=\"ApiKey\" value=\"«wintertime»\"/>",
            "<password>«wintertime»</password> <wsse:Password Type=\"PasswordText\">«wintertime»</wsse:Password>",
            "<td>Password</td><td>«wintertime»</td>",
            "<p>Kennwort: <b>«violet-drift-basil»</b></p>",
            "contraseña: «invierno24», пароль: «zima2024x», 密码: «dongtian24»",
            "mot de passe : «Hiver2024» api key: «AbCdEf123456»",
            "verification code: «483920»; otp=«1234»; cvv: «123»",
            "user root:«$6$rounds=5000$saltsalt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS1»",
        ],
    );
    check(
        Kind::Cookie,
        &[
            "-H 'Cookie: a=«bc»; theme=dark; sid=«1f»' https://x.test",
            "Set-Cookie: sid=«38afes7a8»; Path=/; HttpOnly",
            "curl -b 'sid=«38afes7a8»; lang=fr' https://x.test",
            "the cookie: a biscuit; cookies are on; curl -b cookies.txt",
        ],
    );
}

#[test]
fn what_a_sentence_or_a_command_tells() {
    check(
        Kind::SecretKey,
        &[
            "my password is «Blue!341» and it",
            "Password for user ann: «wint3rtime»",
            "the password was changed to «wint3rtime».",
            "das Passwort lautet «wharf-velvet-thicket», bitte ändern",
            "La contraseña es «invierno24»",
            "my login pw is «k31Zim@3», can you check?",
            "the api token is «abc123def456»",
            "got token «9f86d081884c7d659a2feaa0c55ad015» from it",
            "Your verification code is «483920».",
            "«483920» is your login code; use «4839» as your PIN",
            "api key\t«TgDIFsa3A5ODikZz»\tBasil",
            "CREATE USER 'ann'@'%' IDENTIFIED BY '«wintertime»'",
            "ALTER USER ann WITH PASSWORD '«wintertime»';",
            "SET PASSWORD = PASSWORD('«wintertime»')",
            "machine x.test login ann password «wintertime»",
            "db.local:5432:app:ann:«wintertime»",
            "run --password «Winter2024» --host x --api-key '«wintertime»'",
            "curl -u ann:«wintertime» https://x.test; curl --user 'ann:«wintertime»'",
            "mysql -u root -p«wintertime» db; sshpass -p «wintertime» ssh h",
        ],
    );
}

#[test]
fn words_about_secrets_are_none() {
    for text in [
        "max_tokens: 4096",
        "the author edited the article",
        "Invalid password: must be at least 8 characters",
        "Authorization: Bearer <token>",
        "password=None token=null secret=${SECRET} api_key=*** password=[secret] API_KEY=YOUR_API_KEY",
        "auth method changed from saml to oidc; session=018d948b-d264-7102-8c36-ec7e95a6ad20",
        "monkey=banana tokens=12 primary_key=17 author=ann",
        "let secret = compute(); let api_key = Key::new(); token = req.headers.token",
        "api_key=os.getenv(\"API_KEY\") password=self.password, token=token",
        "Password reset e-mail queued for account 234396",
        "password: string, if (!password) return; password == confirm_password; token != null",
        "the password is stored as sha256; the token is base64-encoded; password is case-sensitive",
        "wrong password for user ann; passphrase is optional; Unexpected token } in JSON at position 42",
        "session ses_3MZ0F4YP5EyV4AI6CL3OcIrHgut started; mcp-session-id: 9b7f4a6c1e2d48f09a3b5c7d8e9f0a1b",
        "PASS: gdb.cp/gdb2495.exp: print; test auth::what_2_is ... ok; pass 12 of 30",
        "status code is 404, exit code 137, zip code is 94107, error code: E1234, sort key is created_at",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b etag: \"9f86d081884c7d659a2feaa0c55ad015\"",
        "docker run -p 8080:80 -u 1000:1000 img; ssh -p 2222 host; mkdir -p /var/x; git commit -p src/x.rs",
        "auth=oauth2 mode=none; password: required; cache_key=user:1234:profile; otp=disabled",
        "<b>Password</b> and <i>secret</i>; <password></password> <token>[secret]</token>",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn names_in_home_directories() {
    check(
        Kind::UserPath,
        &[
            "File \"/home/«alarranaga»/projects/app\"",
            "open 'C:\\Users\\«luciec»\\AppData'",
            "open \"C:\\\\Users\\\\«luciec»\\\\AppData\"",
            "at C:\\Users\\«Ann Smith»\\AppData, C:/Users/«Marco Rossi»/work",
            "at /Users/«gunbird»/dev, /mnt/c/Users/«gunbird»/x, /export/home/«gunbird»/x, /var/mail/«gunbird»",
            "file:///home/«gunbird»/x vscode-file://vscode-app/Users/«gunbird»/x",
            "C:\\Documents and Settings\\«gunbird»\\x",
            "/home/runner/work src/home/page.rs https://x.test/users/12 /Users/Shared/x C:\\Users\\Public\\x",
            "app/Users/List.tsx https://x.test/Users/Smith/posts lib/home/x",
        ],
    );
}

#[test]
fn secrets_in_rows_blocks_and_forms() {
    check(
        Kind::SecretKey,
        &[
            "INSERT INTO people (id, password, note) VALUES (7, '«Juniper!62»', 'x') ON CONFLICT DO NOTHING",
            "INSERT INTO people (id, note) VALUES (7, 'Juniper!62')",
            "DETAIL:  Key (passwd)=(«JuniperOtter!») already exists.",
            r#"7,"admin_pass","«otter104987»""#,
            r#"["password","email","token"]"#,
            "| passwd | «JuniperOtter!» |",
            "| password | string | required |",
            r#"array(1) { ["password"]=> string(10) "«Juniper!62»" }"#,
            "assert body['db_password'] == '«Juniper!62»'",
            "if (form.password == 'text') {",
            "{{password}} rendered as «otter93768»",
            "Content-Disposition: form-data; name=\"password\"\n\n«Juniper!62»\n--b--",
            "variable \"db_password\" {\n  type    = string\n  default = \"«Juniper!62»\"\n}",
            "variable \"db_password\" {\n  type    = string\n}\n\nvariable \"x\" { default = \"Juniper!62\" }",
            "X-Auth-Token: «19a47276-3f97-4c3a-92d9-b79133d9ba60»",
            "passwd «T#Xr7DQGNnn» not accepted",
        ],
    );
}

#[test]
fn secrets_in_commands() {
    check(
        Kind::SecretKey,
        &[
            r"net use Z: \\fs1\x /user:corp\svc «Juniper62»",
            r"net use Z: \\fs1\x /user:corp\svc *",
            "openssl enc -aes-256-cbc -k «Juniper_otter_61» -in a.tar",
            "openssl rsa -passin pass:«juniper» -in a.pem",
            "echo '«Juniper62»' | sudo -S systemctl restart x",
            "echo «Juniper62» | docker login --password-stdin",
            "echo 'done' | sort -S 1M",
            "http -A bearer -a «X_zwnDYyTv6XnryDPMhof9SDd» example.com/items",
            "htpasswd -b /etc/passwds ann «Juniper62»",
            "cp -a one two && make -k all",
        ],
    );
}

#[test]
fn what_is_called_a_secret_is_none() {
    check(
        Kind::SecretKey,
        &[
            r#""password": "Password", "confirm_password": "Enter your password again""#,
            "label.password=Kennwort",
            r#"credentials: "same-origin", credentials="include""#,
            "--set auth.existingSecret=heron-auth",
            "token_type=bearer expires_in=1044",
            "Authorization: [REDACTED] (inlet)",
            "password=[FILTERED] secret=•••••• token=<hidden>",
            "--- PASS: TestParseAddress/nimbus2 (0.04s)",
            r#""password": "«tulip»""#,
        ],
    );
}
