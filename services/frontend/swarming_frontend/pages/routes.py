"""Placeholder."""

from pathlib import Path

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from swarming_frontend.usecases.registry import Usecases


def pages(use: Usecases) -> APIRouter:
    return APIRouter()


def static_files() -> StaticFiles:
    return StaticFiles(directory=Path(__file__).parent / "static")
