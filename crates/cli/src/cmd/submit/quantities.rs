//! Quantities and names as people write them: CPUs, sizes, sets of resources.

use gristmill_model::name;
use gristmill_model::problem::Code;
use gristmill_model::resources::{DeviceRequest, Resources, WHOLE, named};

type Read<T> = std::result::Result<T, String>;

/// Reads `NAME=VALUE`.
pub fn pair(text: &str) -> Read<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// Reads how many rows of a listing are shown.
pub fn rows(text: &str) -> Read<usize> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number of 1 or more".into()),
        Ok(rows) => Ok(rows),
    }
}

/// Reads the name of a project, by the rule of the server.
pub fn project(text: &str) -> Read<String> {
    match name::check("project", text, Code::InvalidRequest) {
        Ok(()) => Ok(text.to_owned()),
        Err(why) => Err(why.detail),
    }
}

/// Reads where to call.
pub fn callback(text: &str) -> Read<String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("expected an http or https URL, as http://127.0.0.1:8080/done".into()),
    }
}

/// Reads `NAME=AMOUNT` of a named resource, as thousandths.
pub fn amount(text: &str) -> Read<(String, u32)> {
    named::parse(text).map_err(|rejection| rejection.detail)
}

/// Reads GPUs: so many whole ones, or a part of one.
pub fn gpu(text: &str) -> Read<DeviceRequest> {
    let wrong = || format!("`{text}` GPUs: expected a whole number, or a part of one as 0.5");
    let gpus: f64 = text.parse().map_err(|_| wrong())?;
    let whole = (gpus.fract() == 0.0 && (1.0..=256.0).contains(&gpus)).then_some(gpus as u32);
    match whole {
        Some(count) => Ok(DeviceRequest::whole("gpu", count)),
        None if (0.001..1.0).contains(&gpus) => {
            let share = (gpus * f64::from(WHOLE)).round() as u32;
            Ok(DeviceRequest { share, ..DeviceRequest::whole("gpu", 1) })
        }
        None => Err(wrong()),
    }
}

/// What a number of GPUs and an amount of their memory ask for; memory alone books no more than it.
pub fn devices(gpu: Option<DeviceRequest>, vram: Option<u64>) -> Vec<DeviceRequest> {
    let by_memory = || DeviceRequest { share: 0, ..DeviceRequest::whole("gpu", 1) };
    let wish = gpu.or_else(|| vram.filter(|vram| *vram > 0).map(|_| by_memory()));
    let wish = wish.map(|wish| DeviceRequest { vram: vram.unwrap_or_default(), ..wish });
    wish.into_iter().collect()
}

/// Reads resources that would do as well: `cpus=8,memory=4GiB,gpu=1,vram=8GiB,licence=1`.
pub fn resources(text: &str) -> Read<Resources> {
    let mut resources = Resources::default();
    let (mut gpus, mut vram) = (None, None);
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some(("cpus", value)) => resources.cpus = cpus(value)?,
            Some(("memory", value)) => resources.memory = size(value)?,
            Some(("gpu", value)) => gpus = Some(gpu(value)?),
            Some(("vram", value)) => vram = Some(size(value)?),
            Some(_) => {
                let (name, thousandths) = amount(part.trim())?;
                if resources.named.insert(name.clone(), thousandths).is_some() {
                    return Err(format!("`{name}` is named twice"));
                }
            }
            None => return Err("expected like cpus=8,memory=4GiB,gpu=1,licence=1".into()),
        }
    }
    resources.devices = devices(gpus, vram);
    Ok(resources)
}

/// Reads CPUs as thousandths, so that half of one is a whole number.
pub fn cpus(text: &str) -> Read<u32> {
    let cpus: f64 = text.parse().map_err(|_| "expected a number like 1 or 0.5".to_owned())?;
    let thousandths = (cpus * 1_000.0).round();
    if (0.0..=1e9).contains(&thousandths) {
        Ok(thousandths as u32)
    } else {
        Err("expected a number from 0 to 1000000".into())
    }
}

/// Reads a size: decimal units as `512M`, binary ones as `512MiB`.
pub fn size(text: &str) -> Read<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("expected a size like 512M or 2GiB".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a size like 512M or 2GiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too much".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!((cpus("0.5"), cpus("2")), (Ok(500), Ok(2_000)));
        assert!(cpus("-1").is_err() && cpus("NaN").is_err());
        assert_eq!((size("512M"), size("2GiB"), size("7")), (Ok(512_000_000), Ok(2 << 30), Ok(7)));
        assert!(size("lots").is_err() && size("99999999TiB").is_err());
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
    }

    #[test]
    fn gpus_are_asked_for_whole_in_parts_or_by_their_memory() {
        let one = DeviceRequest::whole("gpu", 1);
        assert_eq!(gpu("2"), Ok(DeviceRequest::whole("gpu", 2)));
        assert_eq!(gpu("0.5"), Ok(DeviceRequest { share: 500, ..one.clone() }));
        for bad in ["0", "1.5", "-1", "many", "NaN", "1000"] {
            assert!(gpu(bad).is_err(), "{bad}");
        }
        let memory = DeviceRequest { share: 0, vram: 8 << 30, ..one.clone() };
        assert_eq!(devices(None, Some(8 << 30)), [memory]);
        assert_eq!(devices(None, None), []);
        let wish = resources("gpu=1,vram=8GiB").unwrap();
        assert_eq!(wish.devices, [DeviceRequest { vram: 8 << 30, ..one }]);
    }

    #[test]
    fn resources_are_a_list_of_amounts() {
        let wish = resources("cpus=8,memory=4GiB,licence=1").unwrap();
        assert_eq!((wish.cpus, wish.memory, wish.named["licence"]), (8_000, 4 << 30, 1_000));
        assert_eq!(resources("licence=0.5").unwrap().cpus, 1_000, "a CPU, as without --cpus");
        for bad in ["", "cpus", "cpus=many", "licence=1,licence=2", "a b=1"] {
            assert!(resources(bad).is_err(), "{bad}");
        }
    }
}
