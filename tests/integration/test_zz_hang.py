
import time, pytest
@pytest.mark.real("postgres", "redis", "rabbitmq")
def test_h(servers):
    servers.postgres, servers.redis, servers.rabbitmq
    open("/tmp/hang.ready","w").write("x")
    time.sleep(60)
