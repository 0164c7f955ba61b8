"""Hooks with which the people who run this Swarming adapt its bots; this file comes with the release and has none.

Upload another one with `swarming hooks upload FILE`: every bot that got its code from this server then updates itself.
The hooks are get_dimensions, get_state, get_settings, get_authentication_headers, setup_bot, on_bot_startup,
on_handshake, on_before_poll, on_after_poll, on_before_task, on_after_task, on_bot_idle and on_bot_shutdown.
"""
