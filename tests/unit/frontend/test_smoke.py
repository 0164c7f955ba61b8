from tests.unit.frontend.builders import *
async def test_smoke(frontend):
    r = await frontend.post("tasks/new", a_new_task(request_uuid="u", tags=["a:b"], properties={"secret_bytes":"AAAA","env":[{"key":"A","value":""}]}))
    print(r.status_code, r.text)
    t = r.json()["task_id"]
    for p in ("request","result","stdout"):
        r = await frontend.get(f"task/{t}/{p}"); print(r.status_code, r.text)
    r = await frontend.post("tasks/new", a_new_task(request_uuid="u")); print(r.json()["task_id"]==t)
    await a_running_task(frontend.database, t); await some_output(frontend.database, t, b"hello")
    await a_bot(frontend.database)
    for p in (f"task/{t}/result",f"task/{t[:-1]}1/result",f"task/{t}/stdout", "tasks/list", "tasks/list?tags=a:b|c", "tasks/list?tags=a:c","bots/list?dimensions=os:Linux","bots/count","bot/bot1/get","bots/list?is_busy=FALSE","tasks/count?start=0", f"tasks/get_states?task_id={t}"):
        r = await frontend.client.get("/api/swarming/v1/"+p); print(p, r.status_code, r.text)
    r = await frontend.post(f"task/{t}/cancel", {"kill_running":True}); print(r.status_code, r.text)
    for p in ("tasks/new","nothing","tasks/list?limit=x", "tasks/list?sort=x"):
        r = await frontend.client.get("/api/swarming/v1/"+p); print(p, r.status_code, r.text)
    r = await frontend.client.get("/openapi.json"); print(list(r.json()["paths"]))
