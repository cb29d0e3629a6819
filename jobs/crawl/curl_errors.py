"""libcurl's error codes in our words."""

import pycurl

from datasets.outcomes import Reason

_TLS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_SSL_ENGINE_SETFAILED,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_SHUTDOWN_FAILED,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)

#: CURLE_TOO_LARGE, which pycurl does not name: a single header line that is larger than libcurl takes.
_E_TOO_LARGE = 100

_REASONS = {
    pycurl.E_URL_MALFORMAT: (Reason.INVALID_URL, "The address cannot be read."),
    pycurl.E_COULDNT_RESOLVE_HOST: (Reason.DNS_ERROR, "The host's name could not be resolved."),
    pycurl.E_COULDNT_CONNECT: (Reason.CONNECT_ERROR, "The host does not accept connections."),
    pycurl.E_GOT_NOTHING: (Reason.CONNECTION_RESET, "The host closed the connection without an answer."),
    pycurl.E_SEND_ERROR: (Reason.CONNECTION_RESET, "The connection broke while the request went out."),
    pycurl.E_PARTIAL_FILE: (Reason.INCOMPLETE_BODY, "The connection ended before the whole file had come."),
    pycurl.E_BAD_CONTENT_ENCODING: (Reason.BAD_CONTENT_ENCODING, "The body's compression cannot be read."),
    pycurl.E_OUT_OF_MEMORY: (Reason.INTERNAL_ERROR, "This machine is out of memory."),
    _E_TOO_LARGE: (Reason.HEADERS_TOO_LARGE, "A header of the answer is larger than is read."),
}
_PROTOCOL_ERROR = (Reason.PROTOCOL_ERROR, "The host's answer is not proper HTTP.")


def reason(code: int, message: str, *, system_errno: int, body_begun: bool) -> tuple[Reason, str]:
    """What a failed transfer is called, and a sentence about it.

    `message` is libcurl's own (English, whatever the locale), `system_errno` the operating system's number, 0 for none.
    """
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return _timed_out(message, body_begun=body_begun)
    if code in _TLS and not system_errno:
        return Reason.TLS_ERROR, "The host's certificate or encryption cannot be trusted."
    if code in _TLS or (code == pycurl.E_RECV_ERROR and (system_errno or "SSL" in message)):
        return Reason.CONNECTION_RESET, "The connection broke while the answer came in."
    return _REASONS.get(code, _PROTOCOL_ERROR)


def _timed_out(message: str, *, body_begun: bool) -> tuple[Reason, str]:
    if "too slow" in message and body_begun:
        return Reason.TOO_SLOW, "The host sends too slowly."
    if message.startswith("Resolving"):
        return Reason.DNS_ERROR, "The host's name was not resolved in time."
    return Reason.TIMEOUT, "The host did not answer in time."
