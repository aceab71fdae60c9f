"""Runs an execution, follows what it prints, ends another one, by the client that was made of the document."""

import json
import sys
from typing import TypeVar

from pod_client import AuthenticatedClient
from pod_client.api.activities import create_activity
from pod_client.api.executions import create_execution, get_execution, list_executions, terminate_execution
from pod_client.models import Execution, ExecutionPage, ExecutionStatus, NewActivity, NewExecution, OutputPiece, Problem
from pod_client.models.activity import Activity

T = TypeVar("T")


def given(answer: T | Problem | None) -> T:
    """What was asked for, and no problem."""
    if answer is None or isinstance(answer, Problem):
        raise SystemExit(f"the manager answers with {answer}")
    return answer


def follow(client: AuthenticatedClient, id: int) -> str:
    """What an execution prints, until its end."""
    text = ""
    headers = {"Accept": "text/event-stream"}
    with client.get_httpx_client().stream("GET", f"/executions/{id}/output", headers=headers) as answer:
        event = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: ") and event == "output":
                piece = OutputPiece.from_dict(json.loads(line.removeprefix("data: ")))
                text += piece.text or ""
            elif line.startswith("data: ") and event == "end":
                ended = Execution.from_dict(json.loads(line.removeprefix("data: ")))
                assert ended.status == ExecutionStatus.FINISHED, ended
                assert ended.exit_code == 0, ended
    return text


def main(url: str, token: str) -> None:
    client = AuthenticatedClient(base_url=f"{url}/api/v1", token=token)
    script = "printf '%s' 'echo hello \"$1\"; if [ \"$1\" = long ]; then sleep 1000; fi' > main.sh"
    activity: Activity = given(create_activity.sync(client=client, body=NewActivity(name="python", script=script)))
    assert activity.env.additional_properties == {}, activity
    execution: Execution = given(
        create_execution.sync(client=client, body=NewExecution(activity="python", input_="you"))
    )
    assert execution.status == ExecutionStatus.WAITING, execution
    assert follow(client, execution.id) == "hello you\n"
    seen: Execution = given(get_execution.sync(execution.id, client=client, wait=30))
    assert seen.finished_at and seen.finished_at >= seen.submitted_at, seen
    page: ExecutionPage = given(list_executions.sync(client=client, activity="python", status=ExecutionStatus.FINISHED))
    assert [item.id for item in page.items] == [execution.id], page
    long: Execution = given(create_execution.sync(client=client, body=NewExecution(activity="python", input_="long")))
    given(terminate_execution.sync(long.id, client=client))
    ended: Execution = given(get_execution.sync(long.id, client=client, wait=60))
    assert ended.status == ExecutionStatus.TERMINATED, ended
    missing = get_execution.sync(123456, client=client)
    assert isinstance(missing, Problem) and missing.type_ == "urn:pod:problem:no-such-execution", missing


main(*sys.argv[1:3])
