//! A language server for rule files and the configuration: what is wrong, what may stand here, what it means.
//!
//! Problems come from the code that `check` runs; keys, words and meanings from the schema that `schema` prints; so an
//! editor never says otherwise than the command line. It reads the files around an open one and writes none. It does
//! not know the configuration: the rim hands it the function that checks one.

use std::{collections::BTreeMap, path::Path};

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeActionParams, CodeActionProviderCapability, CompletionOptions, CompletionParams, DidChangeTextDocumentParams,
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, DocumentSymbolParams, DocumentSymbolResponse, HoverParams,
    HoverProviderCapability, OneOf, PublishDiagnosticsParams, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind, Uri,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::document::{File, Problem};
use shape::Shape;
use workspace::{Document, Kind, Workspace, path};

mod complete;
mod diagnostics;
mod hover;
mod outline;
mod position;
mod shape;
mod symbols;
mod workspace;

/// Gives what is typed in a file that is open.
pub type Open<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// What the rim knows and this room does not.
#[derive(Debug)]
pub struct Settings {
    /// JSON Schema of rule files.
    pub rules: serde_json::Value,
    /// JSON Schema of the configuration.
    pub config: serde_json::Value,
    /// Everything wrong with a configuration and the rule files it names, open texts before saved ones.
    pub check: fn(&Path, &Open<'_>) -> Checked,
}

/// What was read, and every problem in it.
#[derive(Debug)]
pub struct Checked {
    pub files: Vec<File>,
    pub problems: Vec<Problem>,
}

/// Why the conversation ended before the editor said so.
#[derive(Debug, thiserror::Error)]
pub enum LspError {
    #[error("the editor does not speak the language server protocol: {0}")]
    Protocol(String),
    #[error("the editor went away without a word")]
    Gone,
}

struct Server {
    settings: Settings,
    rules: Shape,
    config: Shape,
    workspace: Workspace,
}

/// Speaks with one editor until it says `exit` or goes away.
pub fn serve(connection: &Connection, settings: Settings) -> Result<(), LspError> {
    let trouble = |error: lsp_server::ProtocolError| LspError::Protocol(error.to_string());
    let (id, _) = connection.initialize_start().map_err(trouble)?;
    let answer = serde_json::json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "tracebell", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, answer).map_err(trouble)?;
    let (rules, config) = (Shape::new(settings.rules.clone()), Shape::new(settings.config.clone()));
    let mut server = Server { settings, rules, config, workspace: Workspace::default() };
    let mut stale = false;
    loop {
        // Typing fast asks for one check at the end, not for one each key.
        let next = if stale { connection.receiver.try_recv().ok() } else { connection.receiver.recv().ok() };
        match next {
            Some(Message::Request(request)) => {
                if connection.handle_shutdown(&request).map_err(trouble)? {
                    return Ok(());
                }
                // Fixes are made from problems, which must be those of the text now.
                if std::mem::take(&mut stale) {
                    server.publish(connection);
                }
                send(connection, server.answer(request).into());
            }
            Some(Message::Notification(note)) if note.method == "exit" => return Err(LspError::Gone),
            Some(Message::Notification(note)) => stale |= server.hear(note, connection),
            Some(Message::Response(_)) => {}
            None if stale => {
                server.publish(connection);
                stale = false;
            }
            None => return Err(LspError::Gone),
        }
    }
}

fn capabilities() -> ServerCapabilities {
    let triggers = [" ", ":", ".", "$", "{", "[", ",", "-"];
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(triggers.map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
        ..ServerCapabilities::default()
    }
}

/// An editor that went away is noticed where it is listened to.
fn send(connection: &Connection, message: Message) {
    let _ = connection.sender.send(message);
}

impl Server {
    fn shape(&self, kind: Kind) -> &Shape {
        match kind {
            Kind::Rules => &self.rules,
            Kind::Config => &self.config,
        }
    }

    fn answer(&self, request: Request) -> Response {
        match request.method.as_str() {
            "textDocument/completion" => self.reply(request, |params: &CompletionParams| {
                let place = &params.text_document_position;
                let (uri, document, kind) = self.find(&place.text_document.uri)?;
                Some(complete::at(self, uri, document, kind, place.position))
            }),
            "textDocument/hover" => self.reply(request, |params: &HoverParams| {
                let place = &params.text_document_position_params;
                let (_, document, kind) = self.find(&place.text_document.uri)?;
                hover::at(self, document, kind, place.position)
            }),
            "textDocument/documentSymbol" => self.reply(request, |params: &DocumentSymbolParams| {
                let (_, document, _) = self.find(&params.text_document.uri)?;
                Some(DocumentSymbolResponse::Nested(symbols::of(&document.text)))
            }),
            "textDocument/codeAction" => self.reply(request, |params: &CodeActionParams| {
                let uri = &params.text_document.uri;
                let (_, document, _) = self.find(uri)?;
                Some(diagnostics::fixes(uri, document, params.range))
            }),
            other => {
                let text = format!("`{other}` is not something this server does");
                Response::new_err(request.id, ErrorCode::MethodNotFound as i32, text)
            }
        }
    }

    /// `null` for what this server has nothing to say of.
    fn reply<P: DeserializeOwned, R: Serialize>(&self, request: Request, answer: impl Fn(&P) -> Option<R>) -> Response {
        match serde_json::from_value::<P>(request.params) {
            Ok(params) => Response::new_ok(request.id, answer(&params)),
            Err(error) => {
                let text = format!("the parameters of `{}` cannot be read: {error}", request.method);
                Response::new_err(request.id, ErrorCode::InvalidParams as i32, text)
            }
        }
    }

    fn find(&self, uri: &Uri) -> Option<(&str, &Document, Kind)> {
        let (uri, document) = self.workspace.open.get_key_value(uri.as_str())?;
        Some((uri, document, self.workspace.kind(uri, document)?))
    }

    /// True if a text changed. A notification that cannot be read has nobody to be told.
    fn hear(&mut self, note: Notification, connection: &Connection) -> bool {
        let open = &mut self.workspace.open;
        match note.method.as_str() {
            "textDocument/didOpen" => {
                let Ok(params) = serde_json::from_value::<DidOpenTextDocumentParams>(note.params) else { return false };
                let uri = params.text_document.uri.as_str().to_owned();
                let document = Document {
                    text: params.text_document.text,
                    version: params.text_document.version,
                    path: path(&uri),
                    problems: Vec::new(),
                };
                open.insert(uri, document);
                true
            }
            "textDocument/didChange" => {
                let Ok(params) = serde_json::from_value::<DidChangeTextDocumentParams>(note.params) else {
                    return false;
                };
                let Some(document) = open.get_mut(params.text_document.uri.as_str()) else { return false };
                // Synchronised whole: the last change is the text.
                if let Some(change) = params.content_changes.into_iter().last() {
                    document.text = change.text;
                    document.version = params.text_document.version;
                }
                true
            }
            "textDocument/didClose" => {
                let Ok(params) = serde_json::from_value::<DidCloseTextDocumentParams>(note.params) else {
                    return false;
                };
                let uri = params.text_document.uri;
                open.remove(uri.as_str());
                publish(connection, PublishDiagnosticsParams { uri, diagnostics: Vec::new(), version: None });
                true
            }
            // What is beside an open file may have changed.
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => true,
            _ => false,
        }
    }

    /// Checks every open text: a list or an id of one may be used in another.
    fn publish(&mut self, connection: &Connection) {
        let uris: Vec<String> = self.workspace.open.keys().cloned().collect();
        // Files under one configuration are checked once for all of them.
        let mut checked = BTreeMap::new();
        for uri in uris {
            let Some(document) = self.workspace.open.get(&uri) else { continue };
            let kind = self.workspace.kind(&uri, document);
            let problems = kind.map(|kind| diagnostics::find(self, &uri, document, kind, &mut checked));
            let problems = problems.unwrap_or_default();
            let diagnostics = problems.iter().map(|problem| diagnostics::shown(problem, &document.text)).collect();
            let version = Some(document.version);
            if let Ok(uri) = uri.parse::<Uri>() {
                publish(connection, PublishDiagnosticsParams { uri, diagnostics, version });
            }
            if let Some(document) = self.workspace.open.get_mut(&uri) {
                document.problems = problems;
            }
        }
    }
}

fn publish(connection: &Connection, params: PublishDiagnosticsParams) {
    let note = Notification::new("textDocument/publishDiagnostics".to_owned(), params);
    send(connection, note.into());
}
