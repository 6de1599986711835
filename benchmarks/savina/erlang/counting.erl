-module(counting).
-export([main/1]).

main(Messages) ->
    Counter = spawn_link(fun() -> counter(0) end),
    send(Counter, Messages),
    Counter ! {retrieve, self()},
    receive Count -> Count end.

send(_, 0) -> ok;
send(Counter, Left) ->
    Counter ! increment,
    send(Counter, Left - 1).

counter(Count) ->
    receive
        increment -> counter(Count + 1);
        {retrieve, Asker} -> Asker ! Count
    end.
