//! Reading Kubo's answers: bytes or one JSON object a line, never more than was allowed for, always to the end.

use super::{
    RpcError,
    error::{Failure, printable},
    rpc::{MAX_OBJECT, Result, Rpc},
};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Response, StatusCode, body::Incoming};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

impl Rpc {
    /// All bytes of an answer.
    pub(super) async fn collect(
        &self,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut keep = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        self.read(response, limit as u64, &mut keep).await?;
        Ok(bytes)
    }

    /// One JSON object after the other.
    pub(super) async fn read_lines<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
        limit: u64,
        each: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let mut begun: Vec<u8> = Vec::new();
        let mut line = |line: &[u8]| {
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            let object: Value =
                serde_json::from_slice(line).map_err(|error| self.foreign(&error))?;
            // An error in the midst of what went well.
            match Failure::deserialize(&object) {
                Ok(failure) if object["Type"] == "error" => Err(failure.into()),
                _ => each(T::deserialize(object).map_err(|error| self.foreign(&error))?),
            }
        };
        let mut cut = |mut piece: &[u8]| {
            while let Some(at) = piece.iter().position(|byte| *byte == b'\n') {
                begun.extend_from_slice(&piece[..at]);
                line(&begun)?;
                begun.clear();
                piece = &piece[at + 1..];
            }
            if begun.len() + piece.len() > MAX_OBJECT {
                return Err(self.too_large(MAX_OBJECT as u64));
            }
            begun.extend_from_slice(piece);
            Ok(())
        };
        self.read(response, limit, &mut cut).await?;
        line(&begun)
    }

    /// Reads an answer to its end, which alone says whether all went well.
    async fn read(
        &self,
        response: Response<Incoming>,
        limit: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (head, mut body) = response.into_parts();
        let well = head.status == StatusCode::OK;
        let limit = if well { limit } else { MAX_OBJECT as u64 };
        let mut left = limit;
        let mut failure = Vec::new();
        while let Some(frame) = self.within(body.frame()).await? {
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(data) = frame.data_ref() {
                left = left
                    .checked_sub(data.len() as u64)
                    .ok_or_else(|| self.too_large(limit))?;
                if well {
                    each(data)?;
                } else {
                    failure.extend_from_slice(data);
                }
            }
            if let Some(trailers) = frame.trailers_ref() {
                late_error(trailers)?;
            }
        }
        if well {
            return Ok(());
        }
        let status = head.status.as_u16();
        Err(match serde_json::from_slice::<Failure>(&failure) {
            _ if status == 401 || status == 403 => self.refused(status),
            Ok(failure) => failure.into(),
            Err(_) => self.foreign(&format_args!("HTTP status {status}")),
        })
    }
}

fn late_error(trailers: &HeaderMap) -> Result<()> {
    match trailers.get("x-stream-error") {
        Some(message) => Err(RpcError::Kubo(printable(&String::from_utf8_lossy(
            message.as_bytes(),
        )))),
        None => Ok(()),
    }
}
