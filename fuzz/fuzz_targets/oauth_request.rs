//! What applications and browsers send to the runtime plane: forms, JSON, `Authorization` and `Accept-Language`, codes of devices,
//! authorization details.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_wire::{
    authorization::AuthorizationRequest, client, details, language, parameters::Parameters,
    redirect, user_code::UserCode,
};

fuzz_target!(|input: (Option<&str>, &str, &[u8])| {
    let (header, text, body) = input;
    let languages = ["en", "de", "pt-BR"];
    assert!(languages.contains(&language::choose(header, Some(text), &languages)));
    if let Some(code) = UserCode::parse(text) {
        assert_eq!(UserCode::parse(&code.to_string()), Some(code));
    }
    for detail in details::parse(text).unwrap_or_default() {
        assert!(details::lines(&detail).len() <= 200);
    }
    for parameters in [Parameters::from_form(body), Parameters::from_json(body)] {
        let Ok(parameters) = parameters else { continue };
        if let Ok(claim) = client::read(header, &parameters) {
            assert!(claim.client_id.is_some() || claim.assertion.is_some());
        }
        if let Ok(request) = AuthorizationRequest::read(&parameters) {
            let uri = redirect::with_parameters("https://a/cb", &[("state", &request.scope)]);
            assert!(uri.is_ascii());
        }
    }
});
