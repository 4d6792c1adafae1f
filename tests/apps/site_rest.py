"""Emmett-REST: a model's API and its OpenAPI description."""

import os
from pathlib import Path

from emmett import App
from emmett.orm import Database, Field, Model
from emmett_rest import REST

rsgi = App(__name__)
rsgi.config.db.uri = "sqlite://" + str(Path(os.environ["SITE_DIR"], "rest.db"))


class Note(Model):
    text = Field.string(validation={"presence": True})


db = Database(rsgi)
db.define_models(Note)
rsgi.pipeline = [db.pipe]
rest = rsgi.use_extension(REST)
notes = rsgi.rest_module(__name__, "notes", Note, url_prefix="notes")
docs = rest.docs_module(__name__, "docs", "Notes", "1",
    "notes", url_prefix="docs")


if __name__ == "__main__":
    # The tables, made before the server starts.
    with db.connection():
        db.executesql("CREATE TABLE notes "
            "(id INTEGER PRIMARY KEY AUTOINCREMENT, text CHAR(512))")
        db.commit()
