//! What a graph takes and gives, from its own declaration, and as JSON Schema for the contract.

use gristmill_model::host;
use ort::session::Session;
use ort::value::{Outlet, ValueType};
use serde_json::{Map, Value, json};

use crate::OnnxError;
use crate::dtype::Dtype;

/// What a graph takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) dimensions: Vec<Dimension>,
}

/// One dimension, as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dimension {
    /// This many entries.
    Fixed(usize),
    /// Any number; with the name that the author gave it, if one did.
    Free(Option<String>),
}

/// Parts of names that exporters and authors give to dimensions along which entries follow one
/// another: a run of two sequences end to end is not the two runs.
const SEQUENCES: [&str; 7] = ["seq", "time", "len", "frame", "token", "step", "word"];

impl Signature {
    pub(crate) fn of(session: &Session) -> Result<Self, OnnxError> {
        let ports = |what: &str, outlets: &[Outlet]| {
            outlets.iter().map(|outlet| Port::of(what, outlet)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            inputs: ports("input", session.inputs())?,
            outputs: ports("output", session.outputs())?,
        })
    }

    /// Whether several inputs may be stacked along their first dimension, run at once and split
    /// again: it is free in every input and output, is the same dimension wherever it is named, and
    /// its name is not that of a sequence.
    pub(crate) fn is_batchable(&self) -> bool {
        let mut names = Vec::new();
        for port in self.inputs.iter().chain(&self.outputs) {
            match port.dimensions.first() {
                Some(Dimension::Free(name)) => names.extend(name.as_deref()),
                _ => return false,
            }
        }
        let is_sequence = |name: &str| {
            let name = name.to_ascii_lowercase();
            SEQUENCES.iter().any(|part| name.contains(part))
        };
        names.windows(2).all(|pair| pair[0] == pair[1])
            && !names.iter().any(|name| is_sequence(name))
            && !self.inputs.is_empty()
    }

    /// As the contract words it.
    pub(crate) fn schema(&self) -> host::Signature {
        host::Signature {
            input: object(&self.inputs, Port::input_schema),
            output: object(&self.outputs, Port::output_schema),
            streams: false,
        }
    }
}

impl Port {
    fn of(what: &str, outlet: &Outlet) -> Result<Self, OnnxError> {
        let name = outlet.name();
        let unsupported = || OnnxError::Unsupported {
            what: format!(
                "{what} `{name}` is {}, not an array of numbers or strings",
                outlet.dtype()
            ),
        };
        let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
            return Err(unsupported());
        };
        let dtype = Dtype::of_element(*ty).ok_or_else(unsupported)?;
        let dimensions = shape
            .iter()
            .zip(dimension_symbols.iter())
            .map(|(size, symbol)| match usize::try_from(*size) {
                Ok(size) => Dimension::Fixed(size),
                // Exporters and the runtime name what they know nothing of `unk__` and a number.
                Err(_) if symbol.is_empty() || symbol.starts_with("unk__") => Dimension::Free(None),
                Err(_) => Dimension::Free(Some(symbol.clone())),
            })
            .collect();
        Ok(Self { name: name.into(), dtype, dimensions })
    }

    /// An array, or plain JSON for a small one.
    fn input_schema(&self) -> Value {
        match (self.dtype, self.dimensions.is_empty()) {
            (Dtype::String, _) => strings(self.dimensions.len()),
            (_, false) => json!({"anyOf": [self.array(), {"type": "array"}]}),
            (Dtype::Bool, true) => json!({"anyOf": [self.array(), {"type": "boolean"}]}),
            (_, true) => json!({"anyOf": [self.array(), {"type": "number"}]}),
        }
    }

    fn output_schema(&self) -> Value {
        match self.dtype {
            Dtype::String => strings(self.dimensions.len()),
            _ => self.array(),
        }
    }

    fn array(&self) -> Value {
        let shape: Vec<Value> = self
            .dimensions
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(size) => json!(size),
                Dimension::Free(_) => Value::Null,
            })
            .collect();
        json!({
            "type": "object",
            "x-gristmill": "array",
            "dtype": self.dtype.name(),
            "shape": shape,
        })
    }

    /// Whether an array of this shape may go in.
    pub(crate) fn takes(&self, shape: &[usize]) -> bool {
        self.dimensions.len() == shape.len()
            && self.dimensions.iter().zip(shape).all(|(dimension, size)| match dimension {
                Dimension::Fixed(wanted) => wanted == size,
                Dimension::Free(_) => true,
            })
    }

    /// Its type and shape, for people: `float32[*, 3]`.
    pub(crate) fn describe(&self) -> String {
        let shape: Vec<String> = self
            .dimensions
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(size) => size.to_string(),
                Dimension::Free(_) => "*".into(),
            })
            .collect();
        format!("{}[{}]", self.dtype.name(), shape.join(", "))
    }
}

fn object(ports: &[Port], schema: impl Fn(&Port) -> Value) -> Value {
    let properties: Map<String, Value> =
        ports.iter().map(|port| (port.name.clone(), schema(port))).collect();
    let required: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Lists in lists, as deep as there are dimensions.
fn strings(depth: usize) -> Value {
    (0..depth).fold(json!({"type": "string"}), |items, _| json!({"type": "array", "items": items}))
}
