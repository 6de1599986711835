-module(pingpong).
-export([main/1]).

main(Pings) ->
    Me = self(),
    Partner = spawn_link(fun() -> pong(Me, 0) end),
    Came = ping(Partner, Pings, 0),
    Partner ! stop,
    receive Answered -> [Came, Answered] end.

ping(_, 0, Came) -> Came;
ping(Partner, Pings, Came) ->
    Partner ! ping,
    receive pong -> ping(Partner, Pings - 1, Came + 1) end.

pong(Partner, Answered) ->
    receive
        ping -> Partner ! pong, pong(Partner, Answered + 1);
        stop -> Partner ! Answered
    end.
