use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tributary_resp::write;

use crate::control::auth_args;
use crate::dial::Dialled;
use crate::refusal::refused;
use crate::{Endpoint, ErrorKind, Failure, Secret, dial};

/// No answer to a question of ours is longer.
const LONGEST: usize = 1 << 20;

/// An answer that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status or a number.
    Line(String),
    /// A string; not there when it is nil.
    Text(Option<String>),
    /// Its length; not there when it is nil.
    List(Option<usize>),
}

/// Questions and answers, one at a time, on the connection that writes later: what is asked must be of that client.
pub(super) struct Talk {
    pub reader: dial::Reader,
    pub writer: dial::Writer,
    pub name: String,
    /// What no message may hold.
    password: Option<Secret>,
}

impl Talk {
    /// Connects and authenticates.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let Dialled { reader, writer, .. } = dial::dial(endpoint).await?;
        let mut talk = Self { reader, writer, name: endpoint.authority(), password: endpoint.password.clone() };
        if let Some(auth) = auth_args(endpoint) {
            talk.ask(&auth).await?;
        }
        Ok(talk)
    }

    /// Sends a command and waits for its answer; an error reply is a failure.
    pub(super) async fn ask(&mut self, args: &[&str]) -> Result<Answer, Failure> {
        let mut bytes = Vec::new();
        write::command(&mut bytes, &args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>());
        self.writer.write_all(&bytes).await.map_err(|e| Failure::io(&self.name, &e))?;
        let answer = self.answer(args).await?;
        if let Answer::List(Some(length)) = answer {
            for _ in 0..length {
                self.answer(args).await?;
            }
        }
        Ok(answer)
    }

    async fn answer(&mut self, args: &[&str]) -> Result<Answer, Failure> {
        let line = self.line().await?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| self.strange(args))?;
        let length = || rest.parse::<i64>().map_err(|_| self.strange(args));
        match kind {
            "+" | ":" => Ok(Answer::Line(rest.to_owned())),
            "*" => Ok(Answer::List(usize::try_from(length()?).ok())),
            "$" => match usize::try_from(length()?) {
                Err(_) => Ok(Answer::Text(None)),
                Ok(length) if length <= LONGEST => self.text(length).await.map(|text| Answer::Text(Some(text))),
                Ok(_) => Err(self.strange(args)),
            },
            "-" => {
                let command = args.first().copied().unwrap_or_default();
                Err(refused(&self.name, self.password.as_ref(), command, rest).of_destination())
            }
            _ => Err(self.strange(args)),
        }
    }

    async fn text(&mut self, length: usize) -> Result<String, Failure> {
        let mut bytes = vec![0; length + 2];
        self.reader.read_exact(&mut bytes).await.map_err(|_| Failure::closed(&self.name))?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One line, byte by byte: nothing behind it may be taken.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.reader.read_u8().await.map_err(|_| Failure::closed(&self.name))?);
            if line.len() > LONGEST {
                return Err(Failure::new(
                    ErrorKind::NotRedis,
                    &self.name,
                    format!("{} sent an endless line.", self.name),
                ));
            }
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn strange(&self, args: &[&str]) -> Failure {
        let command = args.first().copied().unwrap_or_default();
        Failure::new(ErrorKind::NotRedis, &self.name, format!("{} does not answer {command} as Redis does.", self.name))
    }
}
