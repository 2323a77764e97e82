#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that answers what it is told to: mock-hobbled.py SOCKET|bus ANSWERS.

ANSWERS is a JSON file: {"METHOD": [SIGNATURE, ARGUMENT…]} for the Manager's methods, "PATH METHOD" for another object's;
"hang": never answered; ["error", NAME, TEXT]; ["drop"]: the connection is closed. Properties: {"PATH properties":
{NAME: [SIGNATURE, VALUE]}}, PATH "" for the Manager's. "events": [[arguments of Event]…] are sent to whoever asks for the
version, or half a second after a connection. Calls are appended to the file ANSWERS.calls, one JSON list a line.
With "bus", it takes the name org.hobbled1 on the system bus ($DBUS_SYSTEM_BUS_ADDRESS).
"""

import json
import sys

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
import dbus.server
from gi.repository import GLib

ROOT, MANAGER = "/org/hobbled1", "org.hobbled1.Manager"
address, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    answers = json.load(file)


def variants(properties):
    kinds = {"s": dbus.String, "o": dbus.ObjectPath, "b": dbus.Boolean, "u": dbus.UInt32, "t": dbus.UInt64, "x": dbus.Int64,
             "d": dbus.Double, "as": lambda v: dbus.Array(v, signature="s"),
             "(so)": lambda v: dbus.Struct((dbus.String(v[0]), dbus.ObjectPath(v[1])))}
    return dbus.Dictionary({name: kinds[kind](value) for name, (kind, value) in properties.items()}, signature="sv")


def error(message, name, text):
    return dbus.lowlevel.ErrorMessage(message, name, text)


def returned(message, signature, *arguments):
    reply = dbus.lowlevel.MethodReturnMessage(message)
    arguments = [variants(a) if isinstance(a, dict) else a for a in arguments]
    if signature:
        reply.append(*arguments, signature=signature)
    return reply


def answer(message):
    where, method, arguments = message.get_path(), message.get_member(), message.get_args_list()
    prefix = "" if where == ROOT else where
    properties = answers.get(f"{prefix} properties")
    if method == "Get" and properties is not None and arguments[1] in properties:
        reply = dbus.lowlevel.MethodReturnMessage(message)
        reply.append(variants(properties)[arguments[1]], signature="v")
        return reply
    if method == "Ping":
        return returned(message, "")
    if method == "GetAll" and properties is not None:
        return returned(message, "a{sv}", properties)
    found = answers.get(f"{prefix} {method}".strip())
    if isinstance(found, dict):  # by the first argument
        found = found.get(str(arguments[0]), found.get("*"))
    if found is None:
        unknown = "UnknownObject" if prefix and properties is None else "UnknownMethod"
        return error(message, f"org.freedesktop.DBus.Error.{unknown}", f"Unknown method {method}")
    if found == "hang":
        return None
    return error(message, *found[1:]) if found[0] == "error" else returned(message, *found)


def handle(connection, message):
    if message.get_type() != 1 or not (message.get_path() or "").startswith(ROOT):
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
    with open(f"{path}.calls", "a", encoding="utf-8") as calls:
        print(json.dumps([message.get_member(), *message.get_args_list()]), file=calls)
    reply = answer(message)
    if reply:
        connection.send_message(reply)
    return dbus.lowlevel.HANDLER_RESULT_HANDLED


def send_events(connection):
    for event in answers.get("events", []):
        signal = dbus.lowlevel.SignalMessage(ROOT, MANAGER, "Event")
        signal.append(*event, signature="tsssuss")
        connection.send_message(signal)
    return False


def serve(connection):
    served.append(connection)
    connection.add_message_filter(handle)
    GLib.timeout_add(300, send_events, connection)


served = []  # a connection that nobody refers to is closed
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
if address == "bus":
    connection = dbus.SystemBus()
    serve(connection)
    connection.request_name("org.hobbled1")
else:
    server = dbus.server.Server(f"unix:path={address}")
    server.on_connection_added.append(serve)
print("ready", flush=True)
GLib.MainLoop().run()
