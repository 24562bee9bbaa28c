//! What applications and browsers send to the runtime plane: forms, JSON, `Authorization` and `Accept-Language`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_wire::{
    authorization::AuthorizationRequest, client, language, parameters::Parameters, redirect,
};

fuzz_target!(|input: (Option<&str>, &str, &[u8])| {
    let (header, text, body) = input;
    let languages = ["en", "de", "pt-BR"];
    assert!(languages.contains(&language::choose(header, Some(text), &languages)));
    for parameters in [Parameters::from_form(body), Parameters::from_json(body)] {
        let Ok(parameters) = parameters else { continue };
        if let Ok(claim) = client::read(header, &parameters) {
            assert!(!claim.client_id.is_empty() || claim.by_header);
        }
        if let Ok(request) = AuthorizationRequest::read(&parameters) {
            let uri = redirect::with_parameters("https://a/cb", &[("state", &request.scope)]);
            assert!(uri.is_ascii());
        }
    }
});
