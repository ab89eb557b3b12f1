//! Why a server cannot start, each with what to do about it and the exit code it leads to.

use std::io;
use std::net::SocketAddr;

use gristmill_model::problem::exit;

use crate::blobs::BlobError;
use crate::core::RecoveryError;
use crate::folder::FolderError;
use crate::log::LogError;
use crate::read::ReadError;
use crate::token::TokenError;

/// Why a server cannot start or listen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The event log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The event log cannot be brought back to life.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The read tables cannot be opened.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The blob store cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Something listens there already.
    #[error(
        "address {address} is in use: stop what listens there, or choose another one with --bind"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// This machine does not have the address, or this user may not have the port.
    #[error("address {address} cannot be listened on: {source}; choose another one with --bind")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match self {
            StartError::Folder(FolderError::Full { .. })
            | StartError::Log(LogError::Full { .. } | LogError::Failing { .. })
            | StartError::Recovery(RecoveryError::Log(
                LogError::Full { .. } | LogError::Failing { .. },
            ))
            | StartError::Blobs(BlobError::Full) => exit::DISK,
            StartError::AddressInUse { .. } => exit::ADDRESS_IN_USE,
            StartError::Address { .. } => exit::USAGE,
            StartError::Thread(_) => exit::INTERNAL,
            _ => exit::DATA_FOLDER,
        }
    }

    /// Sorts what the system says about an address.
    pub(crate) fn of_address(address: SocketAddr, source: io::Error) -> StartError {
        match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
            _ => StartError::Address { address, source },
        }
    }
}
