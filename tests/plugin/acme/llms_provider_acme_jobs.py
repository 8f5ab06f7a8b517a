"""Acme's jobs: the key is exchanged for a ticket, and a job is created and asked for until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
from llms_core import hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.provider import AdapterHttp, Capabilities, ProviderSpec, UpstreamReply, UpstreamRequest
from llms_core.secret import Secret

from llms_provider_acme import TRANSLATED, Acme, AcmeSettings, request_body


class JobSettings(AcmeSettings, kw_only=True):
    #: Seconds between two questions whether a job is done.
    pause: float = 1.0


class Ticket(msgspec.Struct):
    ticket: str
    #: In seconds.
    valid: float


class Job(msgspec.Struct):
    id: str
    #: Empty until the job is done; then what Acme answers otherwise.
    answer: msgspec.Raw = msgspec.Raw()


class AcmeJobs(Acme):
    def __init__(self, spec: ProviderSpec, settings: JobSettings) -> None:
        super().__init__(spec, settings)
        self.pause = settings.pause
        self.ticket: Secret | None = None

    async def prepare(self, http: AdapterHttp) -> float:
        request = UpstreamRequest(url=f"{self.base_url}/ticket", headers=super().headers())
        ticket = self.checked(await http.send(request)).json(Ticket)
        self.ticket = http.secret(ticket.ticket)
        return ticket.valid

    def headers(self) -> dict[str, str]:
        headers = super().headers()
        if self.ticket is not None:
            headers["x-acme-key"] = self.ticket.reveal()
        return headers

    def checked(self, reply: UpstreamReply) -> UpstreamReply:
        if not reply.is_success:
            raise self.error(reply.status, reply.headers, reply.body)
        return reply

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        http.drop(*sorted(call.non_null_members() - TRANSLATED))
        job = await self.ask(http, "POST", "/jobs", msgspec.json.encode(request_body(call)))
        try:
            while not job.answer:
                await asyncio.sleep(self.pause)
                job = await self.ask(http, "GET", f"/jobs/{job.id}")
        except asyncio.CancelledError:
            await self.ask(http, "DELETE", f"/jobs/{job.id}")
            raise
        return self.completion(call, bytes(job.answer))

    async def ask(self, http: AdapterHttp, method: str, path: str, content: bytes = b"") -> Job:
        request = UpstreamRequest(url=f"{self.base_url}{path}", headers=self.headers(), content=content, method=method)
        return self.checked(await http.send(request)).json(Job)


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="acme-jobs",
        title="Acme's jobs",
        adapter=AcmeJobs,
        settings=JobSettings,
        base_url="https://api.acme.example/v1",
        key_env=("ACME_API_KEY",),
        capabilities=Capabilities(
            json_schema=False, json_object=False, vision=False, audio=False, files=False, logprobs=False, n=False
        ),
        wire="llms_provider_acme_jobs_wire:WIRE",
    )
