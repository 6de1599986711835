"""The plugin as a user's suite meets it: right suites pass, wrong ones fail with the reason."""

from __future__ import annotations

import pytest

from tests.support import PLUGIN, ROOT

APP = """
from otpnode import process

async def greet(name):
    return f"hello {name} from shard {process.shard_of(process.self())} of {process.schedulers()}"

async def idle():
    await process.receive()

async def forget_one():
    await process.spawn(idle, label="forgotten")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Be a user's project: a module `app`, and what the test adds."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(app=APP)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the suite in an interpreter of its own, as strict as can be."""
    return suite.runpytest_subprocess(
        *PLUGIN, "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error", "--strict-markers", *options
    )


def test_a_right_suite_passes_on_every_topology(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest, app

        def test_greeting(topology):
            shards = 1 if topology.name == "one" else 2
            assert topology.run(app.greet, "you") == f"hello you from shard 0 of {shards}"

        @pytest.mark.otpnode(topologies=["one"])
        def test_one_only(topology):
            assert topology.name == "one"

        @pytest.mark.otpnode(mailbox_limit=1, copy_messages=True)
        def test_settings(node):
            assert node.run(app.greet, "me").endswith("of 1")
    """)
    result = run(suite, "-v")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*test_greeting?one?*", "*test_greeting?loop?*", "*test_greeting?pipe?*"])


def test_the_ini_option_chooses_topologies(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\notpnode_topologies = one loop\n")
    suite.makepyfile("import app\ndef test_it(topology): topology.run(app.greet, 'you')\n")
    run(suite).assert_outcomes(passed=2)


def test_wrong_options_are_told(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest, app

        @pytest.mark.otpnode(clock="slow")
        def test_clock(node):
            pass

        @pytest.mark.otpnode(shcedulers=2)
        def test_spelling(node):
            node.run(app.greet, "you")
    """)
    result = run(suite)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*clock is 'real' or 'manual', not 'slow'", "*unexpected keyword argument 'shcedulers'*"]
    )
    suite.makeini("[pytest]\notpnode_topologies = two\n")
    run(suite).stderr.fnmatch_lines(["*otpnode_topologies takes some of one, loop, pipe, not ?'two'?"])


def test_a_leaked_process_fails_the_test_by_name(suite: pytest.Pytester) -> None:
    suite.makepyfile("import app\ndef test_it(topology): topology.run(app.forget_one)\n")
    result = run(suite)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["*forget_one left behind:", "*(label 'forgotten', started by *)", "*link it to the program*leaks=True*"]
    )


def test_run_where_it_cannot_work_says_what_to_do(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import asyncio, pytest, app

        def test_in_a_loop(topology):
            async def test():
                with pytest.raises(RuntimeError, match="make the test a plain `def`"):
                    topology.run(app.greet, "you")

            asyncio.run(test())

        def test_closure(topology):
            async def program():
                return 5

            if topology.name == "pipe":
                with pytest.raises(TypeError, match="program is defined inside a function.*top level of the test's"):
                    topology.run(program)
            else:
                assert topology.run(program) == 5
    """)
    run(suite).assert_outcomes(passed=6)


def test_leaks_of_the_test_itself_fail_it(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\notpnode_leak_guard = true\n")
    suite.makepyfile("""
        import os, subprocess, sys

        kept = []

        def test_fd():
            os.open(os.devnull, os.O_RDONLY)

        def test_os_process():
            kept.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

        def test_none():
            kept.pop().communicate()
    """)
    result = run(suite)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*file descriptor *: /dev/null", "*OS process * input()*"])


def test_a_node_left_behind_fails_its_test_and_no_other(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import asyncio, pytest, otpnode, app
        from otpnode import process
        from otpnode.testing import nothing_left_behind

        async def enter_and_forget():
            await otpnode.node().__aenter__()

        @pytest.mark.parametrize("again", [1, 2])
        def test_forgets(again):
            with nothing_left_behind():
                asyncio.run(enter_and_forget())

        @pytest.mark.otpnode(topologies=["one", "loop"])
        def test_with_a_fixture(topology):
            topology.run(app.greet, "you")

        def test_without():
            async def asks():
                async with otpnode.node():
                    await process.spawn(app.idle, name="idle")
                    return process.whereis("idle")

            assert asyncio.run(asks()) is not None
    """)
    result = run(suite)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*left behind:", "*running node *", "*left behind:", "*running node *"])


def test_without_the_option_only_tests_with_the_fixtures_are_guarded(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import os

        def test_own():
            os.open(os.devnull, os.O_RDONLY)

        def test_guarded(node):
            os.open(os.devnull, os.O_RDONLY)
    """)
    run(suite).assert_outcomes(passed=2, errors=1)


def test_a_suite_that_uses_no_node_pays_for_none(suite: pytest.Pytester) -> None:
    suite.makepyfile("import sys\ndef test_it(): assert 'otpnode.process.shard' not in sys.modules\n")
    run(suite).assert_outcomes(passed=1)


def test_importing_otpnode_imports_neither_pytest_nor_the_plugin(suite: pytest.Pytester) -> None:
    path = suite.makepyfile(
        "import sys, otpnode\n"
        "from otpnode import process, GenServer\n"
        "assert not [name for name in sys.modules if name.startswith(('pytest', '_pytest', 'otpnode.testing'))]\n"
        "import otpnode.testing\n"
        "assert 'pytest' not in sys.modules\n"
    )
    assert suite.runpython(path).ret == 0
