"""Forms on PostgreSQL, where writers do not wait for each other by themselves."""

from concurrent.futures import ThreadPoolExecutor

from typecase.blocks.errors import RevisionConflict
from typecase.blocks.testing.samples import login, pipeline, register_samples
from typecase.registry.direct import DirectRegistry
from typecase.registry.forms import Edit, SqlForms


def test_of_many_edits_of_one_revision_one_is_written_and_keeps_the_secrets(postgres_url, tmp_path):
    registry = DirectRegistry(postgres_url, key=f"file://{tmp_path}/root.key")
    registry.init(create_key_if_missing=True)
    register_samples(registry)
    registry.documents.save(login("other"))
    fields = {"login": {"$block": "other"}, "tokens": ["kept-4711"]}
    registry.documents.save(pipeline("line", fields=fields))

    def save(size):
        edit = Edit(name="line", workspace="default", data={"size": size}, expected_revision=1)
        try:
            return SqlForms(registry).save(edit).number
        except RevisionConflict as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(save, range(2, 10)))
    assert [answer for answer in answers if not isinstance(answer, RevisionConflict)] == [2]
    assert b"kept-4711" in registry.load("line", workspace="default").root.data
    registry.close()
