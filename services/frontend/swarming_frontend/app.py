"""The frontend's app with all its routes: one for the process, whatever number of frontends live in it."""

from fastapi import FastAPI

from swarming_common.http.operations import operations
from swarming_frontend.api.description import add_description
from swarming_frontend.api.errors import answer_errors_of
from swarming_frontend.api.routes import API_PREFIX, HOT_ROUTES, add_client_api
from swarming_frontend.pages import routes as pages

app = FastAPI(title="Swarming", description="Hands tasks to machines.", docs_url=None, redoc_url=None)
app.router.routes.extend(HOT_ROUTES)  # so that another method on their paths is told which ones there are
add_client_api(app)
app.include_router(pages.router)
app.mount("/static", pages.static_files, name="static")
app.include_router(operations)
add_description(app, API_PREFIX)
answer_errors_of(app, pages.answer_error)
