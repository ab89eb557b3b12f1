//! Recipes as JSON, and operations as they are typed.

mod support;

use gristmill_imaging::{
    Crop, Filter, Fit, Flip, Format, Operation, Recipe, Rotation, Size, Threshold,
};

#[test]
fn json_is_stable_both_ways() {
    let json = concat!(
        r#"{"operations":[{"resize":{"width":512,"height":384,"fit":"cover","filter":"catmull_rom"}},"#,
        r#""gray",{"threshold":{"level":128}},{"threshold":"otsu"},{"flip":"horizontal"},"#,
        r#"{"rotate":270},{"crop":{"width":3,"height":4,"x":1,"y":2}}],"#,
        r#""format":"webp","quality":75,"fast":true}"#
    );
    let recipe = Recipe {
        operations: vec![
            Operation::Resize {
                width: 512,
                height: 384,
                fit: Fit::Cover,
                filter: Filter::CatmullRom,
            },
            Operation::Gray,
            Operation::Threshold(Threshold::Level(128)),
            Operation::Threshold(Threshold::Otsu),
            Operation::Flip(Flip::Horizontal),
            Operation::Rotate(Rotation::ThreeQuarters),
            Operation::Crop(Crop { width: 3, height: 4, x: 1, y: 2 }),
        ],
        format: Some(Format::WebP),
        quality: 75,
        fast: true,
    };
    assert_eq!(serde_json::to_string(&recipe).unwrap(), json);
    assert_eq!(serde_json::from_str::<Recipe>(json).unwrap(), recipe);
}

#[test]
fn everything_has_a_default_and_nothing_unknown_passes() {
    assert_eq!(serde_json::from_str::<Recipe>("{}").unwrap(), Recipe::default());
    let short = r#"{"operations":[{"resize":{"width":5,"height":6}}]}"#;
    let operations = vec![Operation::resize(Size { width: 5, height: 6 })];
    let expected = Recipe { operations, ..Recipe::default() };
    assert_eq!(serde_json::from_str::<Recipe>(short).unwrap(), expected);
    for wrong in [
        r#"{"colour":"gray"}"#,
        r#"{"operations":[{"resize":{"width":5,"height":6,"depth":7}}]}"#,
        r#"{"operations":[{"crop":{"width":5,"height":6,"z":7}}]}"#,
        r#"{"operations":[{"rotate":45}]}"#,
        r#"{"operations":["blur"]}"#,
        r#"{"format":"exe"}"#,
        r#"{"quality":300}"#,
    ] {
        assert!(serde_json::from_str::<Recipe>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn typed_forms() {
    assert_eq!(Size::parse("512x384").unwrap(), Size { width: 512, height: 384 });
    let crop = Crop { width: 640, height: 480, x: 10, y: 20 };
    assert_eq!(Crop::parse("640x480+10+20").unwrap(), crop);
    assert_eq!(crop.to_string().parse::<Crop>().unwrap(), crop);
    assert_eq!(Crop::parse("6x4").unwrap(), Crop { width: 6, height: 4, x: 0, y: 0 });
    assert_eq!(Threshold::parse("otsu").unwrap(), Threshold::Otsu);
    assert_eq!(Threshold::parse("255").unwrap(), Threshold::Level(255));
    assert_eq!(Rotation::parse("90").unwrap(), Rotation::Quarter);
    assert_eq!("JPG".parse::<Format>().unwrap(), Format::Jpeg);
    assert_eq!("lanczos3".parse::<Filter>().unwrap(), Filter::Lanczos3);
    for format in Format::ALL {
        assert_eq!(Format::parse(format.extension()).unwrap(), format);
    }
}

#[test]
fn wrong_forms_say_what_was_expected() {
    for text in ["", "512", "x", "0x5", "5x0", "-1x5", "5x5x5", "5 x5", "+5x5", "4294967296x1"] {
        let error = Size::parse(text).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("'{text}' is not a size; expected WIDTHxHEIGHT in pixels, such as 512x512")
        );
    }
    for text in ["5x5+1", "5x5+1+2+3", "5x5-1-1", "5x5++", "+1+1"] {
        assert!(Crop::parse(text).unwrap_err().to_string().contains("640x480+10+20"), "{text}");
    }
    for text in ["256", "-1", "OTSU", ""] {
        assert!(Threshold::parse(text).unwrap_err().to_string().contains("0 to 255"), "{text}");
    }
    assert!(Rotation::parse("45").unwrap_err().to_string().contains("90, 180 or 270"));
}
