"""Calls of Python's smtplib, one an argument, and what each returned or raised, as JSON.

`s` is a connected smtplib.SMTP. mails(box) is what Python's mailbox reads in a mailbox.
"""
import json
import mailbox
import smtplib
import sys


def mails(box):
    # Maildir's keys, which are file names, come in any order: Q9, then Q10.
    in_order = sorted(box.items(), key=lambda item: (len(str(item[0])), str(item[0])))
    return [
        {"from": getattr(mail, "get_from", str)(), "header": mail.items(), "text": mail.get_payload(decode=True)}
        for _, mail in in_order
    ]


def result(call):
    try:
        return eval(call)
    except smtplib.SMTPException as error:
        return [type(error).__name__, *error.args]


s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "client.example")
results = [result(call) for call in sys.argv[2:]]
print(json.dumps(results, default=lambda data: data.decode("latin-1")))
