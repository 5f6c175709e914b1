-- sentence-transformers as functions in PL/Python, as one would write them: the model stays open for the session.
--   psql -v python=DIRECTORY_OF_PACKAGES -v model=DIRECTORY_OF_MODEL

CREATE EXTENSION plpython3u;
CREATE TABLE python_settings AS SELECT :'python' AS packages, :'model' AS model;

CREATE FUNCTION python_model() RETURNS void LANGUAGE plpython3u AS $$
if "model" not in GD:
    import sys
    settings = plpy.execute("SELECT packages, model FROM public.python_settings")[0]
    sys.path.insert(0, settings["packages"])
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(1)
    GD["model"] = SentenceTransformer(settings["model"], device="cpu")
$$;

CREATE FUNCTION python_text(line text) RETURNS vector LANGUAGE plpython3u AS $$
if "model" not in GD:
    plpy.execute("SELECT public.python_model()")
return GD["model"].encode(line, show_progress_bar=False).tolist()
$$;

CREATE FUNCTION python_texts(lines text[]) RETURNS SETOF vector LANGUAGE plpython3u AS $$
if "model" not in GD:
    plpy.execute("SELECT public.python_model()")
return GD["model"].encode(lines, batch_size=32, show_progress_bar=False).tolist()
$$;
