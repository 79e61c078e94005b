//! Decides which zeros of a number are trunk prefixes, which are dialled only within the country
//! and removed here, and which belong to the number. The numbering plan of each country determines
//! this.

use phonenumber::PhoneNumber;

use super::{invalid::InvalidRecipient, scan::Written};
use crate::model::Region;

/// Converts a written number to its international digits.
pub(super) fn international(
    written: &Written,
    region: Option<Region>,
) -> Result<String, InvalidRecipient> {
    let Written {
        digits,
        plus,
        bracketed_zero,
    } = written;
    if *plus || !digits.starts_with('0') {
        return abroad(digits, *bracketed_zero, *plus);
    }
    let skipped = match (region, digits.starts_with("00")) {
        (None, true) => Some(2),
        (None, false) => {
            let words = "it begins with 0, so it is a national number; write it internationally, such as +49 151 23456789 ([send] default_region completes the national numbers of one region)";
            return Err(InvalidRecipient::because(words));
        }
        (Some(region), exits) => exit_code(region, digits, exits)?,
    };
    match (skipped, region) {
        (Some(skipped), _) => {
            let zero = bracketed_zero.and_then(|place| place.checked_sub(skipped));
            abroad(&digits[skipped..], zero.filter(|place| *place > 0), true)
        }
        (None, Some(region)) => at_home(digits, region),
        (None, None) => Ok(digits.clone()),
    }
}

/// The length of the exit code, which is dialled before a foreign number; `None` if there is none.
/// No phone number begins with 00, so people use 00 as the exit code everywhere. If the region's
/// own exit code gives a different reading of the same digits, only a reading that gives a valid
/// number is accepted.
fn exit_code(region: Region, digits: &str, exits: bool) -> Result<Option<usize>, InvalidRecipient> {
    let own = region.exit_code(digits);
    let (Some(own), true) = (own.filter(|length| *length != 2), exits) else {
        return Ok(own.or(exits.then_some(2)));
    };
    let real = |skipped: usize| {
        read(None, &format!("+{}", &digits[skipped..])).is_some_and(|number| number.is_valid())
    };
    match (real(own), real(2)) {
        (true, false) => Ok(Some(own)),
        (false, true) => Ok(Some(2)),
        _ => Err(InvalidRecipient::because(format!(
            "its beginning has two meanings in {region}; write it with a plus, such as +49 151 23456789"
        ))),
    }
}

fn read(region: Option<Region>, text: &str) -> Option<PhoneNumber> {
    phonenumber::parse(region.map(Region::id), text).ok()
}

fn digits_of(number: &PhoneNumber) -> String {
    format!("{}{}", number.code().value(), number.national())
}

/// Completes a number that begins with a calling code. `sure` says whether the text showed that it
/// does, by a plus or an exit code.
fn abroad(
    digits: &str,
    bracketed_zero: Option<usize>,
    sure: bool,
) -> Result<String, InvalidRecipient> {
    if digits.starts_with('0') {
        return Err(InvalidRecipient::because(
            "no calling code begins with 0; write it like +49 151 23456789",
        ));
    }
    let understood = || read(None, &format!("+{digits}"));
    if let Some(place) = bracketed_zero {
        let without = format!("{}{}", &digits[..place], &digits[place + 1..]);
        let Some(number) = understood() else {
            return Ok(without);
        };
        if number.code().value().to_string().len() != place {
            return Err(InvalidRecipient::because(
                "a zero in brackets is allowed only after the calling code, such as +49 (0)151 23456789",
            ));
        }
        // Some countries keep this zero: there the number is valid only with it.
        let kept = digits_of(&number) == digits && number.is_valid();
        return Ok(if kept { digits.to_owned() } else { without });
    }
    // Without a plus, digits are used unchanged; the library is asked only about a zero after the
    // calling code.
    if sure
        && digits.bytes().skip(1).take(3).any(|digit| digit == b'0')
        && let Some(number) = understood()
    {
        let code = number.code().value().to_string().len();
        let without_zero = digits
            .get(code..)
            .and_then(|rest| rest.strip_prefix('0'))
            .map(|rest| format!("{}{rest}", &digits[..code]));
        let read = digits_of(&number);
        if without_zero.is_some_and(|without| without == read || number.is_valid()) {
            return Ok(read);
        }
    }
    Ok(digits.to_owned())
}

/// Completes a number that is written as it is dialled within its region.
fn at_home(digits: &str, region: Region) -> Result<String, InvalidRecipient> {
    let number = read(Some(region), digits).filter(|number| {
        // Either the zero is the trunk prefix and nothing else was changed, or the numbering plan
        // contains exactly this number.
        format!("0{}", number.national()) == digits || number.is_valid()
    });
    number.as_ref().map(digits_of).ok_or_else(|| {
        InvalidRecipient::because(format!(
            "it begins with 0 but is not a national number of {region}; write it internationally, such as +49 151 23456789"
        ))
    })
}
