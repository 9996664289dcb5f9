"""What Python's smtplib gets from smtp_server: PORT, CA file, "starttls" or "tls", then expressions, as JSON.

`s` is the SMTP object, connected; `secure()` does STARTTLS and checks the certificate.
"""
import json
import smtplib
import ssl
import sys

port, ca, how, *calls = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)


def secure():
    return s.starttls(context=context)


def result(call):
    try:
        return eval(call)
    except smtplib.SMTPException as error:
        return [type(error).__name__, *error.args]


if how == "tls":
    s = smtplib.SMTP_SSL("localhost", int(port), "client.example", context=context)
else:
    s = smtplib.SMTP("localhost", int(port), "client.example")
print(json.dumps([result(call) for call in calls], default=lambda data: data.decode("latin-1")))
